/**
 * Turns what a function answered into the client's HTTP response. A stream is relayed chunk by chunk with backpressure;
 * a client that leaves is not made known to the function (AWS does not either): its output is then read and dropped.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod';

const INTEGRATION_RESPONSE = 'application/vnd.awslambda.http-integration-response';
const DELIMITER = Buffer.alloc(8);
const MAX_PRELUDE_BYTES = 256 * 1024;
/** Lambda's limits of a buffered and of a streamed response. */
const MAX_BUFFERED_BYTES = 6 * 1024 * 1024;
const MAX_STREAMED_BYTES = 200 * 1024 * 1024;
/** The gateway frames the body itself. */
const OWN_HEADERS = new Set(['content-length', 'transfer-encoding', 'connection', 'keep-alive']);

const headerValue = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const metadataSchema = z.object({
  statusCode: z.coerce.number().int().min(100).max(599),
  headers: z.record(z.string(), headerValue).nullish(),
  multiValueHeaders: z.record(z.string(), z.array(headerValue)).nullish(),
  cookies: z.array(z.string()).nullish(),
});
const bufferedSchema = metadataSchema.extend({
  body: z.string().nullish(),
  isBase64Encoded: z.boolean().nullish(),
});
type Metadata = z.infer<typeof metadataSchema>;

export interface RelayOptions {
  readonly response: ServerResponse;
  readonly requestId: string;
  /** A stream that is silent for so long is cut. */
  readonly idleTimeoutMs: number;
}

/** `malformed`: nothing has been sent to the client, and the answer was no response. */
export type RelayOutcome = 'sent' | 'truncated' | 'malformed';

export async function relayStreamed(
  contentType: string,
  body: IncomingMessage,
  options: RelayOptions,
): Promise<RelayOutcome> {
  const { response } = options;
  const idle = setTimeout(() => response.destroy(), options.idleTimeoutMs);
  try {
    const started =
      contentType === INTEGRATION_RESPONSE && (await relayChunks(body, options, idle));
    if (!started) return 'malformed';
  } catch {
    // The environment died, or said too much: what the client has so far is all there is.
    response.destroy();
    return 'truncated';
  } finally {
    clearTimeout(idle);
    body.resume();
  }
  if (body.trailers['lambda-runtime-function-error-type'] !== undefined) response.destroy();
  else response.end();
  return response.destroyed ? 'truncated' : 'sent';
}

/** False: the body ended, or broke, before it was a response. Throws when it broke later. */
async function relayChunks(
  body: IncomingMessage,
  options: RelayOptions,
  idle: NodeJS.Timeout,
): Promise<boolean> {
  const { response } = options;
  let prelude = Buffer.alloc(0);
  let started = false;
  let bytes = 0;
  try {
    for await (const chunk of chunksOf(body)) {
      idle.refresh();
      bytes += chunk.length;
      if (bytes > MAX_STREAMED_BYTES) throw new Error('the response is over the limit of a stream');
      if (started) {
        await write(response, chunk);
        continue;
      }
      prelude = Buffer.concat([prelude, chunk]);
      const rest = openResponse(prelude, options);
      if (rest === 'malformed') return false;
      started = rest !== 'incomplete';
      if (rest !== 'incomplete' && rest.length > 0) await write(response, rest);
    }
  } catch (error) {
    if (started) throw error;
  }
  return started;
}

export async function relayBuffered(
  body: IncomingMessage,
  options: RelayOptions,
): Promise<RelayOutcome> {
  try {
    const answer = bufferedSchema.parse(JSON.parse(await readAll(body)));
    const bytes = Buffer.from(
      answer.body ?? '',
      answer.isBase64Encoded === true ? 'base64' : 'utf8',
    );
    sendHead(answer, options, { 'Content-Length': String(bytes.length) });
    if (!hasEnded(options.response)) options.response.end(bytes);
    return 'sent';
  } catch {
    // Not JSON, not a response, over the limit, or a header that HTTP cannot carry.
    return 'malformed';
  }
}

/** Sends status and headers once the prelude is whole; gives back the body bytes that came with it. */
function openResponse(held: Buffer, options: RelayOptions): Buffer | 'incomplete' | 'malformed' {
  const end = held.indexOf(DELIMITER);
  if (end < 0) return held.length > MAX_PRELUDE_BYTES ? 'malformed' : 'incomplete';
  const metadata = metadataSchema.safeParse(parseJson(held.subarray(0, end).toString('utf8')));
  if (!metadata.success) return 'malformed';
  sendHead(metadata.data, options, {});
  options.response.flushHeaders();
  return held.subarray(end + DELIMITER.length);
}

function sendHead(
  metadata: Metadata,
  { response, requestId }: RelayOptions,
  own: Record<string, string>,
): void {
  if (hasEnded(response)) return;
  const headers: Record<string, string | string[]> = { 'x-amzn-requestid': requestId };
  for (const [name, value] of Object.entries({
    ...metadata.headers,
    ...metadata.multiValueHeaders,
  })) {
    if (!OWN_HEADERS.has(name.toLowerCase())) headers[name] = value;
  }
  const cookies = metadata.cookies ?? [];
  if (cookies.length > 0) headers['Set-Cookie'] = cookies;
  response.writeHead(metadata.statusCode, { ...headers, ...own });
}

async function readAll(body: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunksOf(body)) {
    bytes += chunk.length;
    if (bytes <= MAX_BUFFERED_BYTES) chunks.push(chunk);
  }
  if (bytes > MAX_BUFFERED_BYTES)
    throw new Error('the response is over the limit of a buffered one');
  return Buffer.concat(chunks).toString('utf8');
}

/** Leaving the loop early must not break the connection to the function. */
function chunksOf(body: IncomingMessage): AsyncIterable<Buffer> {
  return body.iterator({ destroyOnReturn: false });
}

/** Waits for a slow client, but never for one that has left. */
async function write(response: ServerResponse, chunk: Buffer): Promise<void> {
  if (hasEnded(response) || response.write(chunk)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.once('drain', done).once('close', done);
  });
}

function hasEnded(response: ServerResponse): boolean {
  return response.destroyed || response.writableEnded;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
