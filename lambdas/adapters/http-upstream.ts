/**
 * Providers over node:http(s): keep-alive pools, no delay on sockets, buffers and not web streams, a
 * time-out for every phase, no redirect ever followed, every size bounded.
 *
 * A call is sent at most once. Nobody can tell whether a provider has read a prompt whose connection broke
 * before the answer began, and reading it twice may be billed twice; so the one retry there is, on a new
 * connection, is for a pooled connection that turns out dead before a byte of the call was written to it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../core/clock.ts';
import {
  UpstreamFault,
  type UpstreamPort,
  type UpstreamRequest,
  type UpstreamResponse,
} from '../../core/providers/upstream.ts';
import { type BodyLimits, decoded, readBody } from './upstream-body.ts';
import { awaitHead } from './upstream-head.ts';
import { createUpstreamPool, type UpstreamPool } from './upstream-pool.ts';

/** After so long without a byte the body yields `'quiet'`, so that a keep-alive can go to the caller. */
const QUIET_MS = 10_000;
/** A function streams no more than this to its caller, so a larger answer could not be passed on. */
const MAX_BODY_BYTES = 200_000_000;

/** A function's environment has 1,024 file descriptors, which these share with AWS's services and everything else. */
const SOCKETS = { total: 768, perOrigin: 512, freePerOrigin: 64 };

export function createHttpUpstream({
  clock,
  quietMs = QUIET_MS,
  maxBodyBytes = MAX_BODY_BYTES,
}: {
  clock: Clock;
  quietMs?: number;
  maxBodyBytes?: number;
}): UpstreamPort & { close(): void } {
  const pool = createUpstreamPool(clock, SOCKETS);
  return {
    send: (request) => send({ pool, clock, quietMs, maxBodyBytes }, request),
    close: pool.close,
  };
}

async function send(
  wire: BodyLimits & { readonly pool: UpstreamPool },
  request: UpstreamRequest,
): Promise<UpstreamResponse> {
  let head = await awaitHead(wire, request);
  if (head === 'stale') {
    // One turn, so that the connections just closed have left the pool.
    await nextTurn();
    head = await awaitHead(wire, request);
  }
  if (head === 'stale')
    throw new UpstreamFault('upstream_unreachable', 'unsent', 'pooled connections are dead');
  const answer = head;
  const { source, headers } = decoded(answer);
  const abort = () => {
    source.destroy();
    answer.destroy();
  };
  request.signal?.addEventListener('abort', abort, { once: true });
  return {
    status: answer.statusCode ?? 0,
    headers,
    body: readBody(wire, request, source),
    abort,
  };
}
