/** Calls through a gateway of tests that is watched: metrics, spans and records as they would leave it. */
import * as z from 'zod';
import type { TraceStore } from '../../core/catalog/snapshot.ts';
import { newRequestId } from '../../core/ids.ts';
import { observedServe, type Watch } from '../../core/observed-serve.ts';
import type { EmfLine } from '../../core/telemetry/call-metrics.ts';
import type { TraceObject } from '../../core/traces/trace-record.ts';
import type { TestGateway } from './gateway.ts';

export interface ObservedGateway {
  readonly lines: EmfLine[];
  readonly objects: Map<string, string>;
  /** Streams broken by us. */
  faults(): number;
  /** Sends a call, reads its answer and waits until all is told. */
  call(request: ObservedCall): Promise<ObservedAnswer>;
}

interface ObservedCall {
  readonly path?: string;
  readonly body: Record<string, unknown>;
  readonly headers?: Record<string, string>;
  /** Leaves after so many pieces of the answer. */
  readonly leavesAfter?: number;
}

interface ObservedAnswer {
  readonly requestId: string;
  readonly status: number;
  readonly text: string;
}

export function observe(
  g: TestGateway,
  options: {
    readonly store?: TraceStore;
    readonly spans?: Watch['spans'];
    readonly put?: (object: TraceObject) => Promise<void>;
  } = {},
): ObservedGateway {
  const lines: EmfLine[] = [];
  const objects = new Map<string, string>();
  let faults = 0;
  const { store, spans, put = async ({ key, body }) => void objects.set(key, body) } = options;
  const watch: Watch = {
    emit: (line) => void lines.push(line),
    countFault: () => {
      faults += 1;
    },
    ...(spans === undefined ? {} : { spans }),
    traceStore: { put },
  };
  const tenant = {
    limits: {},
    projectLimits: {},
    ...(store === undefined ? {} : { traceStore: store }),
  };
  const directory = {
    ...g.ports.directory,
    policy: async () => ({ ...(await g.ports.directory.policy()), tenants: { acme: tenant } }),
  };
  const ports = { ...g.ports, directory };

  async function call({
    path = '/v1/chat/completions',
    body,
    headers = {},
    leavesAfter,
  }: ObservedCall) {
    const nowMs = Date.now();
    const requestId = newRequestId();
    const response = await observedServe(ports, watch, {
      method: 'POST',
      path,
      headers: { authorization: `Bearer ${g.key}`, ...headers },
      body: Buffer.from(JSON.stringify(body)),
      requestId,
      receivedAtMs: nowMs,
      deadlineMs: nowMs + 60_000,
    });
    const parts: Uint8Array[] = [];
    if (typeof response.body === 'string' || Buffer.isBuffer(response.body))
      parts.push(Buffer.from(response.body));
    else if (leavesAfter === 0) await response.body[Symbol.asyncIterator]().return?.();
    else
      for await (const part of response.body) {
        parts.push(part);
        if (parts.length === leavesAfter) break;
      }
    await response.closed;
    return { requestId, status: response.status, text: Buffer.concat(parts).toString('utf8') };
  }
  return { lines, objects, faults: () => faults, call };
}

const anyValue = z.union([
  z.strictObject({ stringValue: z.string() }),
  z.strictObject({ boolValue: z.boolean() }),
  // 64-bit integers are texts in JSON.
  z.strictObject({ intValue: z.string().regex(/^-?\d+$/) }),
  z.strictObject({ doubleValue: z.number() }),
]);
const attributes = z.array(z.strictObject({ key: z.string().min(1), value: anyValue }));
const nanoseconds = z.string().regex(/^\d{19}$/);
const otlpSpan = z.strictObject({
  traceId: z.string().regex(/^[0-9a-f]{32}$/),
  spanId: z.string().regex(/^[0-9a-f]{16}$/),
  parentSpanId: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  name: z.string().min(1),
  kind: z.int().min(1).max(5),
  startTimeUnixNano: nanoseconds,
  endTimeUnixNano: nanoseconds,
  attributes,
  status: z.strictObject({
    code: z.int().min(0).max(2).optional(),
    message: z.string().optional(),
  }),
});

/** ExportTraceServiceRequest in the proto's JSON mapping, with the fields that the gateway uses and no others. */
export const otlpRequestSchema = z.strictObject({
  resourceSpans: z.array(
    z.strictObject({
      resource: z.strictObject({ attributes }),
      scopeSpans: z.array(
        z.strictObject({
          scope: z.strictObject({ name: z.string() }),
          spans: z.array(otlpSpan),
        }),
      ),
    }),
  ),
});
export type OtlpSpan = z.infer<typeof otlpSpan>;

/** Attributes by name, their values as what they stand for. */
export function attributesOf({
  attributes: all,
}: OtlpSpan): Record<string, string | number | boolean> {
  return Object.fromEntries(
    all.map(({ key, value }) => {
      if ('intValue' in value) return [key, Number(value.intValue)];
      const [plain = ''] = Object.values(value);
      return [key, plain];
    }),
  );
}
