/** The second half of a call to a provider: its body, decompressed, in the reader's own time, within bounds. */
import type http from 'node:http';
import { pipeline, type Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { Clock } from '../../core/clock.ts';
import {
  UpstreamFault,
  type UpstreamRequest,
  type UpstreamResponse,
} from '../../core/providers/upstream.ts';

export interface BodyLimits {
  readonly clock: Clock;
  readonly quietMs: number;
  /** After decompression. */
  readonly maxBodyBytes: number;
}

/** Nothing is compressed at our wish; some servers and proxies do it all the same. */
const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/** The body's bytes as they were before compression, and the headers that are still true of them. */
export function decoded(response: http.IncomingMessage): {
  readonly source: Readable;
  readonly headers: UpstreamResponse['headers'];
} {
  const { 'content-encoding': encoding = 'identity', ...rest } = response.headers;
  const isEmpty = rest['content-length'] === '0';
  if (encoding === 'identity' || isEmpty) return { source: response, headers: flat(rest) };
  const decoder = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding]?.() : undefined;
  if (decoder === undefined) {
    response.destroy();
    throw new UpstreamFault('upstream_error', 'answering', `content-encoding ${encoding}`);
  }
  const { 'content-length': _ofCompressed, ...headers } = rest;
  // The reader sees every error on the decoder, which fails with the response.
  pipeline(response, decoder, () => undefined);
  return { source: decoder, headers: flat(headers) };
}

function flat(headers: http.IncomingHttpHeaders): UpstreamResponse['headers'] {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  );
}

/** Reads no further than its reader: behind it wait at most the buffers of the stream and of the kernel. */
export async function* readBody(
  { clock, quietMs, maxBodyBytes }: BodyLimits,
  { idleTimeoutMs, deadlineMs }: UpstreamRequest,
  source: Readable,
): AsyncGenerator<Uint8Array | 'quiet'> {
  const bell = createBell(source);
  let bytes = 0;
  let lastByteMs = clock.nowMs();
  try {
    while (true) {
      if (clock.nowMs() >= deadlineMs) throw late('the deadline has passed');
      const chunk: Buffer | null = source.read();
      if (chunk !== null) {
        bytes += chunk.length;
        if (bytes > maxBodyBytes) throw broken(`more than ${maxBodyBytes} bytes`);
        yield chunk;
        // Time that the reader took is not the provider's silence.
        lastByteMs = clock.nowMs();
        continue;
      }
      if (source.readableEnded) return;
      if (source.destroyed) throw broken(source.errored ?? 'the connection was closed');
      const silentAtMs = lastByteMs + idleTimeoutMs;
      const nowMs = clock.nowMs();
      if (nowMs >= silentAtMs) throw late('silence in the body');
      const waitMs = Math.min(quietMs, silentAtMs - nowMs, deadlineMs - nowMs);
      if ((await bell.rings(waitMs)) || waitMs < quietMs) continue;
      yield 'quiet';
    }
  } finally {
    source.destroy();
  }
}

function late(cause: string): UpstreamFault {
  return new UpstreamFault('upstream_timeout', 'answering', cause);
}

function broken(cause: unknown): UpstreamFault {
  return new UpstreamFault('upstream_error', 'answering', cause);
}

/** Rings when there is something to see at the stream: bytes, its end, or its failure. */
function createBell(source: Readable): { rings(withinMs: number): Promise<boolean> } {
  let ring: () => void = () => undefined;
  for (const event of ['readable', 'end', 'error', 'close']) source.on(event, () => ring());
  return {
    rings: (withinMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, withinMs, false);
        ring = () => {
          clearTimeout(timer);
          resolve(true);
        };
      }),
  };
}
