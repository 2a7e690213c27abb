/**
 * The `awslambda` global of the streaming runtime. It keeps the real one's two surprises on purpose: the prelude leaves
 * only with the first write(), and a stream that is ended without a write has no prelude at all.
 */
import type { ClientRequest } from 'node:http';

const STREAMING_MARK = Symbol.for('aws.lambda.runtime.handler.streaming');
const INTEGRATION_RESPONSE = 'application/vnd.awslambda.http-integration-response';
const DELIMITER = '\0'.repeat(8);

/** The stream a handler writes to: the request that posts the response, with a hook before its first write. */
export interface ResponseStream extends ClientRequest {
  beforeFirstWrite?: (() => string) | undefined;
  setContentType(contentType: string): void;
}

export function installAwslambdaGlobal(): void {
  const streamifyResponse = (handler: object): object =>
    Object.assign(handler, { [STREAMING_MARK]: 'response' });
  const from = (stream: ResponseStream, metadata: unknown): ResponseStream => {
    stream.setContentType(INTEGRATION_RESPONSE);
    stream.beforeFirstWrite = () => JSON.stringify(metadata) + DELIMITER;
    return stream;
  };
  Object.assign(globalThis, { awslambda: { streamifyResponse, HttpResponseStream: { from } } });
}

export function isStreaming(handler: object): boolean {
  return STREAMING_MARK in handler;
}

/** end(chunk) does not pass through write(), exactly as in the real runtime. */
export function asResponseStream(request: ClientRequest): ResponseStream {
  const write = request.write.bind(request);
  const stream: ResponseStream = Object.assign(request, {
    setContentType(contentType: string): void {
      request.setHeader('Content-Type', contentType);
    },
  });
  const writeAfterPrelude = (chunk: unknown, ...rest: []): boolean => {
    const prelude = stream.beforeFirstWrite;
    if (prelude !== undefined) {
      stream.beforeFirstWrite = undefined;
      write(prelude());
    }
    return write(
      typeof chunk === 'string' || chunk instanceof Uint8Array ? chunk : JSON.stringify(chunk),
      ...rest,
    );
  };
  return Object.assign(stream, { write: writeAfterPrelude });
}
