/** Refusals that callers read, against the accounts that refused: a refusal with room left is a phantom. */
import * as z from 'zod/mini';
import type { StoredItem } from '../../core/limits/account-write.ts';
import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from '../../core/limits/dimensions.ts';
import type { GatewayResponse } from '../../core/response.ts';
import { labelledAccount, scopeOf } from './account-names.ts';
import { type Denied, phantomDenial } from './call-checks.ts';
import type { CallRecord } from './call-record.ts';
import type { Arrival } from './fake-dynamo.ts';
import type { HotScopes, HotScopesOptions } from './hot-scopes.ts';
import { numberAt, raiseEdges } from './stored-item.ts';
import { dayOf } from './true-money.ts';

export interface Refusals {
  /** A reserve came to the table. */
  arrived(arrival: Arrival, holdId: string): void;
  judge(
    call: CallRecord,
    response: GatewayResponse,
  ): { readonly isRefusal: boolean; readonly phantom: string | undefined };
}

export interface RefusalsOptions extends HotScopesOptions {
  readonly hotScopes: Pick<HotScopes, 'wasFull'>;
  /** Limits changed so short a time ago that a gateway may remember refusals by the old ones. */
  readonly isFresh: () => boolean;
}

export function createRefusals({ hotScopes, shardsOf, isFresh }: RefusalsOptions): Refusals {
  /** The items that refused the calls being decided. */
  const refusals = new Map<string, StoredItem>();

  /** A refusal from the gateway's memory has no refused write; the account as it is now must justify it. */
  function phantomOf(call: CallRecord, denied: Denied): string | undefined {
    const account = labelledAccount(call.key, denied.scope);
    const item = refusals.get(`${call.holdId} ${account}`);
    const wasFull = hotScopes.wasFull(call, account, nameOf(denied) ?? '');
    const phantom =
      wasFull === undefined || denied.dimension === undefined
        ? phantomDenial(call, denied, item ?? shardsOf(account)[0]?.[1] ?? {})
        : phantomOfHotScope(call, denied, wasFull);
    if (item !== undefined) return phantom;
    const isOld = shardsOf(account).some(([, each]) => hasJustBegun(each, call));
    if (phantom === undefined || isFresh() || isOfWindow(denied)) return undefined;
    if (isOld || mayBeOfLastMinute(call)) return undefined;
    return `${phantom}, from memory`;
  }

  return {
    arrived({ key, before, after, isLate }, holdId) {
      if (after === undefined && before !== undefined && !isLate)
        refusals.set(`${holdId} ${scopeOf(key)}`, before);
    },
    judge(call, response) {
      const denied = deniedOf(response);
      const phantom = denied === undefined ? undefined : phantomOf(call, denied);
      for (const account of call.accounts) refusals.delete(`${call.holdId} ${scopeOf(account)}`);
      return { isRefusal: denied !== undefined, phantom };
    },
  };
}

function phantomOfHotScope(
  { holdId }: CallRecord,
  { dimension, scope }: Denied,
  wasFull: boolean,
): string | undefined {
  return wasFull ? undefined : `I5 the accounts of ${scope} had room of ${dimension} for ${holdId}`;
}

function nameOf({ dimension }: Denied): Dimension | undefined {
  return DIMENSION_NAMES.find((name) => name === dimension);
}

/** Windows of the day open and close on whole minutes, and a refusal is remembered for a second. */
function mayBeOfLastMinute({ decided }: CallRecord): boolean {
  return (decided?.atMs ?? 0) % 60_000 < 1_000;
}

/** A raise, or the next one, by the clock of the gateway that remembers, which may be minutes behind the policy's; or a day, by another's. */
function hasJustBegun(item: StoredItem, { decided }: CallRecord): boolean {
  const atMs = decided?.atMs ?? 0;
  const isInLaterDay = numberAt(item, 'd') > dayOf(atMs, decided?.policy.timeZone ?? 'UTC');
  return isInLaterDay || raiseEdges(item).some((ms) => atMs - 1_000 < ms && ms <= atMs);
}

/** A window's room may come back within the second that it is remembered as full, when a sibling refuses. */
function isOfWindow(denied: Denied): boolean {
  const known = nameOf(denied);
  const window = known === undefined ? undefined : DIMENSIONS[known].window;
  return window === 'second' || window === 'minute';
}

const refusalSchema = z.object({
  error: z.object({
    gateway: z.object({ scope: z.string(), dimension: z.optional(z.string()) }),
  }),
});

/** The refusal by an account that the answer tells; undefined for every other answer. */
function deniedOf({ status, body }: GatewayResponse): Denied | undefined {
  if ((status !== 429 && status !== 401) || typeof body !== 'string') return undefined;
  const parsed = refusalSchema.safeParse(JSON.parse(body));
  return parsed.success ? parsed.data.error.gateway : undefined;
}
