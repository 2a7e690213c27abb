/**
 * Cancelling a running call. A streaming function is not told that its client has left, so the client says
 * so: a mark in a table, which the environment that streams looks for now and then. A caller reaches only
 * calls of its own key, because the mark is made under the key that asks (ADR 0013).
 */

import { assertKeyActive } from './active-key.ts';
import { GatewayError } from './errors.ts';
import { holdIdsOf, isRequestId } from './ids.ts';
import { type GatewayResponse, jsonResponse } from './response.ts';
import type { Ports } from './serve.ts';
import type { Caller } from './tenancy/authenticate.ts';

export interface RunningCall {
  readonly keyId: string;
  readonly requestId: string;
}

/** The port to the marks. Throws GatewayError `limiter_unavailable` when they are out of reach. */
export interface Cancellations {
  /** Again changes nothing. The mark is of no use after the longest call, and may then vanish. */
  mark(call: RunningCall): Promise<void>;
  /** May lag behind a mark by a second. */
  isMarked(call: RunningCall): Promise<boolean>;
}

/** Why waiting ended. Without a reason an abort makes an error with a stack, which costs more than all of a vigil. */
const OVER = 'the call is over';

/** Most streams are over by then and never look. */
const FIRST_LOOK_MS = 5_000;
const LOOK_EVERY_MS = 2_000;

/** Whose key it is and whether it ever was are not told apart: to this caller there is no such call. */
export async function serveCancel(
  { accounts, cancellations }: Ports,
  { key: { keyId } }: Caller,
  call: { readonly id: string; readonly requestId: string },
): Promise<GatewayResponse> {
  const account = await accounts.read({ kind: 'key', keyId });
  assertKeyActive(account);
  const names = isRequestId(call.id) ? holdIdsOf(call.id) : [];
  const owners = names.map((name) => account?.holds.get(name)?.owner);
  if (!owners.some((owner) => owner?.kind === 'lead' && owner.requestId === call.id))
    throw new GatewayError('not_found', 'No call of this key with this id is running.');
  await cancellations.mark({ keyId, requestId: call.id });
  const body = { id: call.id, object: 'request', status: 'cancelling' };
  return jsonResponse(202, body, call.requestId);
}

/** What a streamed call waits with. */
export interface Vigil {
  /** Aborted when the caller has cancelled the call. */
  readonly cancelled: AbortSignal;
  /** Resolves after so long, or when the vigil ends. */
  after(ms: number): Promise<void>;
  /** Ends all waiting. */
  end(): Promise<void>;
}

/** Where the caller can know of its call before it is over: looks for a mark until it finds one or the vigil ends. */
export function keepVigil(
  { timer, cancellations, report }: Pick<Ports, 'timer' | 'cancellations' | 'report'>,
  { isWatched, ...call }: RunningCall & { readonly isWatched: boolean },
): Vigil {
  const over = new AbortController();
  const cancelled = new AbortController();
  async function look(): Promise<void> {
    await timer.after(FIRST_LOOK_MS, over.signal);
    while (!over.signal.aborted && !cancelled.signal.aborted) {
      // A look that fails is made again: the call itself is not at fault.
      const isMarked = await cancellations.isMarked(call).catch((fault: unknown) => {
        report('cancellation not checked', fault);
        return false;
      });
      if (isMarked) cancelled.abort();
      else await timer.after(LOOK_EVERY_MS, over.signal);
    }
  }
  const looking = isWatched ? look() : Promise.resolve();
  return {
    cancelled: cancelled.signal,
    after: (ms) => timer.after(ms, over.signal),
    end: () => {
      over.abort(OVER);
      return looking;
    },
  };
}

export function cancelledError(): GatewayError {
  return new GatewayError('request_cancelled', 'The request was cancelled by its caller.');
}
