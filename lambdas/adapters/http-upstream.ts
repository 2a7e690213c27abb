/**
 * Providers over HTTP/1.1: connections of our own that are kept, no delay on sockets, buffers and not streams, a
 * time-out for every phase, no redirect ever followed, every size bounded. By hand, because Node's client takes
 * more CPU than all else that a stream needs of the wire (ADR 0034).
 *
 * A call is sent at most once. Nobody can tell whether a provider has read a prompt whose connection broke
 * before the answer began, and reading it twice may be billed twice; so the one retry there is, on another
 * connection, is for a kept connection that turns out dead before a byte of the call was written to it.
 */
import type { Clock } from '../../core/clock.ts';
import type { UpstreamPort } from '../../core/providers/upstream.ts';
import { type Target, UpstreamCall } from './upstream-call.ts';
import { createUpstreamPool, type PoolBounds } from './upstream-pool.ts';

/** After so long without a byte the body yields `'quiet'`, so that a keep-alive can go to the caller. */
const QUIET_MS = 10_000;
/** A function streams no more than this to its caller, so a larger answer could not be passed on. */
const MAX_BODY_BYTES = 200_000_000;

/** A function's environment has 1,024 file descriptors, which these share with AWS's services and everything else. */
const SOCKETS = { total: 768, perOrigin: 512, freePerOrigin: 64 };

/** More than the routes of a policy are; the next ones are made for each call. */
const MAX_TARGETS = 1_000;

export function createHttpUpstream({
  clock,
  quietMs = QUIET_MS,
  maxBodyBytes = MAX_BODY_BYTES,
  sockets = SOCKETS,
}: {
  clock: Clock;
  quietMs?: number;
  maxBodyBytes?: number;
  sockets?: PoolBounds;
}): UpstreamPort & { close(): void } {
  const pool = createUpstreamPool(clock, sockets);
  const wire = { pool, clock, quietMs, maxBodyBytes };
  const targets = new Map<string, Target>();

  function targetOf(text: string): Target {
    const known = targets.get(text);
    if (known !== undefined) return known;
    const url = new URL(text);
    const { host, pathname, search } = url;
    const lines = `POST ${pathname}${search} HTTP/1.1\r\nhost: ${host}\r\n`;
    const target = { origin: pool.originOf(url), lines };
    if (targets.size < MAX_TARGETS) targets.set(text, target);
    return target;
  }

  return {
    send: async (request) => new UpstreamCall(wire, targetOf(request.url), request).send(),
    close: pool.close,
  };
}
