/**
 * What the accounts say at one moment: of each key, team and tenant the sums of a month, which calls are
 * open, and which were posted at their hold and wait for the truth. It is kept until the ledger has had time
 * to hear of every call that had ended by then, and is compared with it (core/reconcile/compare.ts).
 */
import * as z from 'zod/mini';
import type { EpochMs } from '../clock.ts';
import { type Account, type AccountItem, counterValue, parseAccount } from '../limits/account.ts';
import { monthName } from '../limits/periods.ts';
import { type PostedEntry, postedEntries } from '../limits/posted.ts';
import { scopeKeyOf } from '../limits/shards.ts';
import { type Day, type DaysRead, daysOf, daysSchema, type ScopeDay } from './days.ts';

const amount = z.int();
const sumsSchema = z.object({ nanoUsd: amount, inputTokens: amount, outputTokens: amount });
export type Sums = z.infer<typeof sumsSchema>;

/** A call by the name of its hold, and what it holds or was posted at. */
const heldCallSchema = z.extend(sumsSchema, { holdId: z.string() });

const scopeMonthSchema = z.object({
  /** Key of the scope's account. */
  scope: z.string(),
  /** `YYYY-MM` */
  period: z.string(),
  settled: sumsSchema,
  requests: amount,
  /** What the account's budget counts as taken: settled and held together. */
  committed: z.object({ nanoUsd: amount, tokens: amount }),
  open: z.array(heldCallSchema),
  posted: z.array(heldCallSchema),
});
export type ScopeMonth = z.infer<typeof scopeMonthSchema>;

export const snapshotSchema = z.object({
  /** The accounts were read between these. */
  fromMs: z.int(),
  toMs: z.int(),
  scopes: z.array(scopeMonthSchema),
  /** Calls that are open or posted, where the account of their key told which they are. */
  requestIds: z.array(z.string()),
  /** Absent in snapshots from before days were compared. */
  days: z.optional(daysSchema),
});
export type Snapshot = z.infer<typeof snapshotSchema>;

interface Item {
  readonly key: string;
  readonly item: AccountItem;
}

export interface Reading {
  readonly fromMs: EpochMs;
  readonly toMs: EpochMs;
  /** YYYYMM, those that are compared. */
  readonly months: readonly number[];
  readonly days: readonly Day[];
}

/** From all items of the accounts table. What is no account of a key, team or tenant, nor posted, is passed over. */
export function snapshotOf(items: readonly Item[], { months, days, ...times }: Reading): Snapshot {
  const scopes = new Map<string, ScopeMonth>();
  const scopeDays: ScopeDay[] = [];
  const requestIds = new Set<string>();
  const posted = items.filter(({ key }) => key.startsWith('posted/')).flatMap(postedOf);
  for (const { key, item } of items) {
    if (!COMPARED.test(key)) continue;
    const account = parseAccount(item);
    for (const { owner } of account.holds.values())
      if (owner.kind === 'lead') requestIds.add(owner.requestId);
    for (const month of months) add(scopes, monthOf(scopeKeyOf(key), account, month));
    scopeDays.push(...daysOf(scopeKeyOf(key), account, days));
  }
  for (const { scope, month, requestId, call, day } of posted) {
    if (requestId !== undefined) requestIds.add(requestId);
    scopes.get(nameOf(scope, monthName(month)))?.posted.push(call);
    const isRead = days.some(({ number }) => number === day);
    if (day !== undefined && isRead) scopeDays.push({ scope, day, ...negativeOf(call) });
  }
  const ofDays = { days: [...days], scopes: summed(scopeDays) };
  return { ...times, scopes: [...scopes.values()], requestIds: [...requestIds], days: ofDays };
}

const COMPARED = /^(key|team|tenant)\//;

/** Keys of the accounts table that a snapshot is made of. */
export const SNAPSHOT_PREFIXES = ['key/', 'team/', 'tenant/', 'posted/'] as const;

function nameOf(scope: string, period: string): string {
  return `${scope} ${period}`;
}

function postedOf({ key, item }: Item) {
  const holdId = key.slice(key.lastIndexOf('/') + 1);
  return postedEntries(item).map(({ account, hold }: PostedEntry) => ({
    scope: scopeKeyOf(account),
    month: Math.floor(hold.day / 100),
    day: hold.countsDay ? hold.day : undefined,
    requestId: hold.owner.kind === 'lead' ? hold.owner.requestId : undefined,
    call: { holdId, ...sumsOf(hold) },
  }));
}

function negativeOf({ nanoUsd, inputTokens, outputTokens }: Sums) {
  return { nanoUsd: -nanoUsd, tokens: -inputTokens - outputTokens };
}

/** Shards and posted calls of a scope are one. */
function summed(parts: readonly ScopeDay[]): DaysRead['scopes'] {
  const byDay = new Map<string, ScopeDay>();
  for (const part of parts) {
    const name = nameOf(part.scope, String(part.day));
    const { nanoUsd, tokens } = byDay.get(name) ?? { nanoUsd: 0, tokens: 0 };
    byDay.set(name, { ...part, nanoUsd: nanoUsd + part.nanoUsd, tokens: tokens + part.tokens });
  }
  return [...byDay.values()];
}

function monthOf(scope: string, account: Account, month: number): ScopeMonth {
  const count = (counter: Parameters<typeof counterValue>[1]) =>
    counterValue(account, counter, month);
  const open = [...account.holds].filter(([, { day }]) => Math.floor(day / 100) === month);
  return {
    scope,
    period: monthName(month),
    settled: {
      nanoUsd: count('settledNanoUsd'),
      inputTokens: count('settledInputTokens'),
      outputTokens: count('settledOutputTokens'),
    },
    requests: count('settledRequests'),
    committed: { nanoUsd: count('nanoUsdPerMonth'), tokens: count('tokensPerMonth') },
    open: open.map(([holdId, hold]) => ({ holdId, ...sumsOf(hold) })),
    posted: [],
  };
}

/** The shards of a scope are one. */
function add(scopes: Map<string, ScopeMonth>, one: ScopeMonth): void {
  const name = nameOf(one.scope, one.period);
  const other = scopes.get(name);
  if (other === undefined) {
    scopes.set(name, one);
    return;
  }
  scopes.set(name, {
    ...one,
    settled: addSums(one.settled, other.settled),
    requests: one.requests + other.requests,
    committed: {
      nanoUsd: one.committed.nanoUsd + other.committed.nanoUsd,
      tokens: one.committed.tokens + other.committed.tokens,
    },
    open: [...other.open, ...one.open],
  });
}

function sumsOf({ nanoUsd, inputTokens, outputTokens }: Sums): Sums {
  return { nanoUsd, inputTokens, outputTokens };
}

export function addSums(a: Sums, b: Sums, sign: 1 | -1 = 1): Sums {
  return {
    nanoUsd: a.nanoUsd + sign * b.nanoUsd,
    inputTokens: a.inputTokens + sign * b.inputTokens,
    outputTokens: a.outputTokens + sign * b.outputTokens,
  };
}

export const NO_SUMS: Sums = { nanoUsd: 0, inputTokens: 0, outputTokens: 0 };

export function isZero({ nanoUsd, inputTokens, outputTokens }: Sums): boolean {
  return nanoUsd === 0 && inputTokens === 0 && outputTokens === 0;
}

/** The account's own books: what it counts as taken is what is settled and what is held. */
export function isBalanced({ settled, committed, open }: ScopeMonth): boolean {
  const held = open.reduce((sum, call) => addSums(sum, call), NO_SUMS);
  const all = addSums(settled, held);
  return (
    committed.nanoUsd === all.nanoUsd && committed.tokens === all.inputTokens + all.outputTokens
  );
}
