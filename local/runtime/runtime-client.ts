/** The function's side of the Lambda Runtime API: plain HTTP to the address in AWS_LAMBDA_RUNTIME_API. */
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';

const API_ROOT = '/2018-06-01/runtime';
const STREAMING_HEADERS = {
  'Content-Type': 'application/octet-stream',
  'Lambda-Runtime-Function-Response-Mode': 'streaming',
  'Transfer-Encoding': 'chunked',
  Trailer: 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body',
};

export interface Invocation {
  readonly requestId: string;
  readonly deadlineMs: number;
  readonly functionArn: string;
  readonly traceId: string;
  readonly event: unknown;
}

interface OpenResponse {
  readonly request: ClientRequest;
  /** Settles when the API has taken the whole response. */
  readonly accepted: Promise<void>;
}

export interface RuntimeClient {
  next(): Promise<Invocation>;
  respond(requestId: string, body: string): Promise<void>;
  openResponse(requestId: string): OpenResponse;
  reportError(requestId: string, error: unknown): Promise<void>;
  reportInitError(error: unknown): Promise<void>;
}

export function createRuntimeClient(address: string): RuntimeClient {
  const agent = new Agent({ keepAlive: true });
  const open = (method: string, path: string, headers: Record<string, string>): ClientRequest =>
    request(`http://${address}${API_ROOT}${path}`, { agent, method, headers });
  const post = async (
    path: string,
    body: string,
    headers: Record<string, string> = {},
  ): Promise<void> => {
    const outgoing = open('POST', path, { 'Content-Type': 'application/json', ...headers });
    outgoing.end(body);
    (await answerOf(outgoing)).resume();
  };
  const postError = (path: string, error: unknown): Promise<void> => {
    const report = errorReport(error);
    return post(path, JSON.stringify(report), {
      'Lambda-Runtime-Function-Error-Type': report.errorType,
    });
  };
  return {
    async next() {
      const outgoing = open('GET', '/invocation/next', {});
      outgoing.end();
      return readInvocation(await answerOf(outgoing));
    },
    respond: (requestId, body) => post(`/invocation/${requestId}/response`, body),
    openResponse(requestId) {
      const outgoing = open('POST', `/invocation/${requestId}/response`, STREAMING_HEADERS);
      return {
        request: outgoing,
        accepted: answerOf(outgoing).then((answer) => void answer.resume()),
      };
    },
    reportError: (requestId, error) => postError(`/invocation/${requestId}/error`, error),
    reportInitError: (error) => postError('/init/error', error),
  };
}

export function errorReport(error: unknown): {
  errorType: string;
  errorMessage: string;
  trace: string[];
} {
  if (!(error instanceof Error))
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  return {
    errorType: error.name,
    errorMessage: error.message,
    trace: error.stack?.split('\n') ?? [],
  };
}

function answerOf(outgoing: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
  });
}

async function readInvocation(answer: IncomingMessage): Promise<Invocation> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk);
  const header = (name: string): string => String(answer.headers[name] ?? '');
  return {
    requestId: header('lambda-runtime-aws-request-id'),
    deadlineMs: Number(header('lambda-runtime-deadline-ms')),
    functionArn: header('lambda-runtime-invoked-function-arn'),
    traceId: header('lambda-runtime-trace-id'),
    event: JSON.parse(Buffer.concat(chunks).toString('utf8')),
  };
}
