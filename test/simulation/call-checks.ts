/** The invariants of calls: refusals are justified, and usage events tell the truth. */
import type { EpochMs } from '../../core/clock.ts';
import type { StoredItem } from '../../core/limits/account-write.ts';
import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from '../../core/limits/dimensions.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import { countOf } from './account-truth.ts';
import { billedEntries, type CallRecord } from './call-record.ts';
import { entriesOf, limitInForce, numberAt } from './stored-item.ts';
import { beginOf, dayOf, monthOf, priceAtReserve, trueBound, trueCost } from './true-money.ts';

/** What a refusal says about itself to the caller. */
export interface Denied {
  readonly scope: string;
  /** Absent where the status of the account refuses. */
  readonly dimension?: string | undefined;
}

/**
 * I5: a dimension may refuse only if the item has no room in it for the demand. The item is the one that
 * came back with the refused write.
 */
export function phantomDenial(
  call: CallRecord,
  denied: Denied,
  item: StoredItem,
): string | undefined {
  const what = `${denied.dimension ?? 'status'} at ${denied.scope} for ${call.holdId}`;
  if (denied.dimension === undefined)
    return item['st'] === 'active' ? `I5 active account denies: ${what}` : undefined;
  const dimension = DIMENSION_NAMES.find((name) => name === denied.dimension);
  if (dimension === undefined) return `I5 denied by nothing: ${what}`;
  const { counts } = DIMENSIONS[dimension];
  const at = judgedAt(call, [item]);
  const limit = limitInForce(item, dimension, at.atMs);
  if (limit === undefined) return `I5 denied by a limit that is not there: ${what}`;
  const needed = countOf(trueBound(call), counts);
  const used = usedAt(item, dimension, at);
  return used + needed > limit ? undefined : `I5 room for ${needed}, ${used} of ${limit}: ${what}`;
}

/** True where all accounts of the scope together have too little room for the call. */
export function isFull(
  call: CallRecord,
  dimension: Dimension,
  items: readonly StoredItem[],
): boolean {
  const at = judgedAt(call, items);
  const needed = countOf(trueBound(call), DIMENSIONS[dimension].counts);
  let room = 0;
  for (const item of items) {
    const limit = limitInForce(item, dimension, at.atMs);
    if (limit === undefined) return false;
    room += limit - usedAt(item, dimension, at);
  }
  return room < needed;
}

interface JudgedAt {
  readonly atMs: EpochMs;
  readonly day: number;
  /** The latest that any of the accounts has counted in, where the call's clock is behind. */
  readonly second: number;
  readonly minute: number;
}

function judgedAt(call: CallRecord, items: readonly StoredItem[]): JudgedAt {
  const { atMs: ownMs, policy } = call.decided ?? { atMs: 0, policy: { timeZone: 'UTC' } };
  const { timeZone } = policy;
  const day = Math.max(dayOf(ownMs, timeZone), ...items.map((item) => numberAt(item, 'd')));
  // An account in a later day than the call's clock is judged from the beginning of that on.
  const atMs = dayOf(ownMs, timeZone) === day ? ownMs : beginOf(day, timeZone);
  const latest = (name: string, lengthMs: number) =>
    Math.max(Math.floor(atMs / lengthMs), ...items.map((item) => numberAt(item, name)));
  return {
    atMs,
    day,
    second: latest('s', 1_000),
    minute: latest('m', 60_000),
  };
}

function usedAt(item: StoredItem, dimension: Dimension, { atMs, day, ...at }: JudgedAt): number {
  const { code, window } = DIMENSIONS[dimension];
  switch (window) {
    case 'open':
      return Object.keys(entriesOf(item, 'h')).length;
    case 'day':
      return numberAt(item, `${code}${day}`);
    case 'month':
      return numberAt(item, `${code}${monthOf(day)}`);
    case 'second':
    case 'minute': {
      const lengthMs = window === 'second' ? 1_000 : 60_000;
      const index = at[window];
      const share = Math.min(1, Math.max(0, 1 - (atMs - index * lengthMs) / lengthMs));
      const previous = Math.max(0, numberAt(item, `${code}${index - 1}`));
      return Math.max(0, numberAt(item, `${code}${index}`)) + Math.ceil(share * previous);
    }
  }
}

/** I2, I6 and I7 of one usage event. */
export function eventComplaints(call: CallRecord, event: UsageEvent): string[] {
  const complaints: string[] = [];
  const { decided, key } = call;
  if (decided === undefined) return [`event of a call that nobody made: ${call.holdId}`];
  if (event.tenant_id !== key.tenantId || event.team_id !== key.teamId)
    complaints.push(`I7 event of another tenant: ${call.holdId}`);
  if (event.policy_version !== decided.policy.version)
    complaints.push(`I6 event with another policy: ${call.holdId}`);
  const period = event.period.replace('-', '');
  if (
    event.outcome !== 'denied' &&
    period !== String(monthOf(dayOf(decided.atMs, decided.policy.timeZone)))
  )
    complaints.push(`I6 charged to ${period}: ${call.holdId}`);
  if (event.outcome === 'denied' && call.providerEntries.length > 0)
    complaints.push(`I4 denied and sent: ${call.holdId}`);
  return event.input_tokens === null ? complaints : complaints.concat(usageComplaints(call, event));
}

/** I6 and I7 of the row of a call whose process died. */
export function expiredComplaints({ decided, key, holdId }: CallRecord, event: UsageEvent) {
  const complaints: string[] = [];
  if (event.tenant_id !== key.tenantId || event.team_id !== key.teamId)
    complaints.push(`I7 expired row of another tenant: ${holdId}`);
  if (event.policy_version !== decided?.policy.version)
    complaints.push(`I6 expired row with another policy: ${holdId}`);
  return complaints;
}

function usageComplaints(call: CallRecord, event: UsageEvent): string[] {
  const price = priceAtReserve(call, event.model ?? '');
  const version = price?.version ?? 'free';
  if (version !== event.price_version)
    return [`I6 charged at price ${event.price_version}, not ${version}: ${call.holdId}`];
  const cachedTokens = event.cached_input_tokens ?? 0;
  const writtenTokens = event.cache_write_5m_tokens ?? 0;
  const charged = {
    promptTokens: (event.input_tokens ?? 0) + cachedTokens + writtenTokens,
    cachedTokens,
    writtenTokens,
    completionTokens: event.output_tokens ?? 0,
    reasoningTokens: event.reasoning_tokens,
    serviceTier: event.service_tier,
  };
  const cost = price === undefined ? 0 : trueCost(price, charged);
  if (event.cost_nano_usd !== cost)
    return [`I2 costs ${event.cost_nano_usd}, not ${cost}: ${call.holdId}`];
  const reported = billedEntries(call).at(-1)?.reported;
  if (event.estimated === (reported !== undefined))
    return [`I2 ${event.estimated ? 'estimated' : 'exact'} without need: ${call.holdId}`];
  const isTrue = reported === undefined || JSON.stringify(reported) === JSON.stringify(charged);
  return isTrue
    ? []
    : [`I2 charged ${JSON.stringify(charged)}, reported ${JSON.stringify(reported)}`];
}
