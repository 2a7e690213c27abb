/** Calls through the HTTP upstream for tests of the wire: short time-outs, and how each call ended. */
import type net from 'node:net';
import {
  type BrokenPhase,
  UpstreamFault,
  type UpstreamPort,
  type UpstreamRequest,
} from '../../core/providers/upstream.ts';

export const TIMES = {
  connectTimeoutMs: 150,
  firstByteTimeoutMs: 250,
  idleTimeoutMs: 150,
} as const;
export const TOTAL_MS = 500;

interface Outcome {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: Buffer;
  readonly fault?: { readonly code: string; readonly phase: BrokenPhase };
  readonly ms: number;
}

export function requestTo(url: string, extra: Partial<UpstreamRequest> = {}): UpstreamRequest {
  const body = '{"model":"m","messages":[]}';
  return { url, headers: {}, body, ...TIMES, deadlineMs: Date.now() + TOTAL_MS, ...extra };
}

export async function outcomeOf(
  upstream: UpstreamPort,
  url: string,
  extra: Partial<UpstreamRequest> = {},
): Promise<Outcome> {
  const startMs = performance.now();
  const ms = () => performance.now() - startMs;
  try {
    const { status, headers, body } = await upstream.send(requestTo(url, extra));
    const parts: Uint8Array[] = [];
    for await (const part of body) if (part !== 'quiet') parts.push(part);
    return { status, headers, body: Buffer.concat(parts), ms: ms() };
  } catch (error) {
    if (!(error instanceof UpstreamFault)) throw error;
    return { fault: { code: error.code, phase: error.phase }, ms: ms() };
  }
}

export function originOf(server: net.Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://127.0.0.1:${address.port}`;
}
