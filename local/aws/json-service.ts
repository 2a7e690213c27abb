import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { AwsError, type WireRequest, type WireResponse } from './wire.ts';

/** What a test makes go wrong. `partial`: every second entry of a batch is refused. */
type Fault = 'throttle' | 'error' | 'partial';
export type FaultSource = (call: { service: string; operation: string }) => Fault | undefined;

export interface OperationContext {
  /** The call was told to fail in part. */
  readonly isPartial: boolean;
}

export type Operation = (input: unknown, context: OperationContext) => unknown;

/** A service of the JSON protocols: one POST, the operation in X-Amz-Target. */
export interface JsonService {
  readonly name: string;
  /** What stands before the dot in X-Amz-Target. */
  readonly target: string;
  readonly throttleCode: string;
  readonly operations: Readonly<Record<string, Operation>>;
}

/** An operation with its input's schema; an input that does not fit is refused as AWS does. */
export function operation<S extends z.ZodType>(
  schema: S,
  run: (input: z.output<S>, context: OperationContext) => unknown,
): Operation {
  return (input, context) => {
    const parsed = schema.safeParse(input);
    if (!parsed.success) throw new AwsError('ValidationException', z.prettifyError(parsed.error));
    return run(parsed.data, context);
  };
}

export async function answerJson(
  services: readonly JsonService[],
  request: WireRequest,
  faults: FaultSource | undefined,
): Promise<WireResponse> {
  try {
    const [target = '', operationName = ''] = (request.headers['x-amz-target'] ?? '').split('.', 2);
    const service = services.find((candidate) => candidate.target === target);
    const run = service?.operations[operationName];
    if (service === undefined || run === undefined) {
      throw new AwsError(
        'NotImplemented',
        `not available locally: ${target}.${operationName}`,
        501,
      );
    }
    const fault = faults?.({ service: service.name, operation: operationName });
    if (fault === 'throttle') throw new AwsError(service.throttleCode, 'Rate exceeded');
    if (fault === 'error') throw new AwsError('InternalFailure', 'Injected fault', 500);
    const output = await run(parseBody(request), { isPartial: fault === 'partial' });
    return jsonResponse(request, 200, output ?? {});
  } catch (error) {
    return jsonError(request, error);
  }
}

function parseBody(request: WireRequest): unknown {
  try {
    return request.body.length === 0 ? {} : JSON.parse(request.body.toString('utf8'));
  } catch {
    throw new AwsError('SerializationException', 'The body is not JSON');
  }
}

function jsonError(request: WireRequest, error: unknown): WireResponse {
  const known =
    error instanceof AwsError ? error : new AwsError('InternalFailure', String(error), 500);
  const response = jsonResponse(request, known.status, {
    __type: known.code,
    message: known.message,
  });
  return { ...response, headers: { ...response.headers, 'x-amzn-errortype': known.code } };
}

function jsonResponse(request: WireRequest, status: number, output: unknown): WireResponse {
  return {
    status,
    headers: {
      'content-type': request.headers['content-type'] ?? 'application/x-amz-json-1.1',
      'x-amzn-requestid': randomUUID(),
    },
    body: JSON.stringify(output),
  };
}
