/** What a run found, as rows of the results and in words for people. */
import type { EpochMs } from '../clock.ts';
import { formatUsd, nanoUsd } from '../money.ts';
import type { Comparison } from './compare.ts';
import type { DayComparison } from './days.ts';
import type { ResultRow } from './results-table.ts';
import type { Snapshot, Sums } from './snapshot.ts';

interface Explained {
  /** The account counts since then, and agrees with the ledger from there on. */
  readonly countedSinceMs?: EpochMs;
  readonly requestIds: readonly string[];
  readonly isExact: boolean;
}

interface Context {
  readonly nowMs: EpochMs;
  readonly snapshot: Snapshot;
  readonly explanation?: Explained | undefined;
}

export function scopeRow(
  comparison: Comparison,
  { nowMs, snapshot, explanation }: Context,
): ResultRow {
  const { scope, period, verdict, settled, expected, difference, held } = comparison;
  const isYounger = explanation?.countedSinceMs !== undefined && verdict === 'different';
  return {
    ...head(nowMs, 'accounts'),
    snapshot_at_ms: snapshot.fromMs,
    scope,
    period,
    verdict: isYounger ? 'counted-since' : verdict,
    settled_nano_usd: settled.nanoUsd,
    ledger_nano_usd: expected.nanoUsd,
    ...differenceColumns(difference),
    held_nano_usd: held.nanoUsd,
    settled_requests: comparison.requests,
    ledger_requests: comparison.ledgerRequests,
    posted_calls: comparison.postedCalls,
    explanation: wordsOf(comparison, explanation),
    request_ids: idsOf(explanation?.requestIds ?? []),
  };
}

/** Tokens of both kinds stand together, as the account counts them. */
export function dayRow(
  { scope, day, verdict, settled, booked }: DayComparison,
  { nowMs, snapshot }: Context,
): ResultRow {
  return {
    ...head(nowMs, 'days'),
    ...NO_AMOUNTS,
    snapshot_at_ms: snapshot.fromMs,
    scope,
    period: day,
    verdict,
    settled_nano_usd: settled.nanoUsd,
    ledger_nano_usd: booked.nanoUsd,
    difference_nano_usd: settled.nanoUsd - booked.nanoUsd,
    difference_input_tokens: settled.tokens - booked.tokens,
    difference_output_tokens: 0,
    explanation:
      verdict === 'day differs'
        ? 'charged to another day by the clock of its environment, or the limit of the day is younger than the day'
        : null,
    request_ids: null,
  };
}

export function rawRow(
  { requestIds, difference }: { requestIds: readonly string[]; difference: Sums },
  nowMs: EpochMs,
): ResultRow {
  return {
    ...head(nowMs, 'raw'),
    ...NO_AMOUNTS,
    verdict: 'different',
    ...differenceColumns(difference),
    explanation: `${requestIds.length} requests are booked in the ledger otherwise than they arrived, or not at all`,
    request_ids: idsOf(requestIds),
  };
}

interface RunFacts {
  readonly nowMs: EpochMs;
  readonly snapshot: Snapshot;
  readonly comparisons: readonly Comparison[];
  readonly different: number;
  readonly corrected: number;
}

/** Sums are those of the keys: every call is in exactly one of them. */
export function runRow({ nowMs, snapshot, comparisons, ...counts }: RunFacts): ResultRow {
  const keys = comparisons.filter(({ scope }) => scope.startsWith('key/'));
  const total = (of: (each: Comparison) => number) => keys.reduce((sum, each) => sum + of(each), 0);
  const equal = comparisons.filter(({ verdict }) => verdict === 'equal').length;
  return {
    ...head(nowMs, 'run'),
    snapshot_at_ms: snapshot.fromMs,
    verdict: counts.different === 0 ? 'equal' : 'different',
    settled_nano_usd: total(({ settled }) => settled.nanoUsd),
    ledger_nano_usd: total(({ expected }) => expected.nanoUsd),
    difference_nano_usd: total(({ difference }) => difference.nanoUsd),
    difference_input_tokens: total(({ difference }) => difference.inputTokens),
    difference_output_tokens: total(({ difference }) => difference.outputTokens),
    held_nano_usd: total(({ held }) => held.nanoUsd),
    settled_requests: total(({ requests }) => requests),
    ledger_requests: total(({ ledgerRequests }) => ledgerRequests),
    posted_calls: total(({ postedCalls }) => postedCalls),
    explanation: `${comparisons.length} accounts and months compared, ${equal} equal, ${counts.different} different; ${counts.corrected} posted calls have their truth`,
    request_ids: null,
  };
}

const NO_AMOUNTS = {
  settled_nano_usd: 0,
  ledger_nano_usd: 0,
  held_nano_usd: 0,
  settled_requests: 0,
  ledger_requests: 0,
  posted_calls: 0,
} as const;

function head(nowMs: EpochMs, kind: ResultRow['check_kind']) {
  return {
    checked_day: new Date(nowMs).toISOString().slice(0, 10),
    checked_at_ms: nowMs,
    snapshot_at_ms: null,
    check_kind: kind,
    scope: null,
    period: null,
  } as const;
}

function differenceColumns({ nanoUsd: usd, inputTokens, outputTokens }: Sums) {
  return {
    difference_nano_usd: usd,
    difference_input_tokens: inputTokens,
    difference_output_tokens: outputTokens,
  };
}

function wordsOf(
  { verdict, difference }: Comparison,
  explanation: Explained | undefined,
): string | null {
  if (verdict === 'equal') return null;
  if (verdict === 'in-flight') return 'calls that closed while the accounts were read';
  if (verdict === 'unbalanced')
    return 'the account counts as taken something else than what is settled and held in it';
  if (explanation?.countedSinceMs !== undefined)
    return `the account agrees with the ledger since it began after ${new Date(explanation.countedSinceMs).toISOString()}`;
  const side = difference.nanoUsd < 0 ? 'the ledger has more' : 'the account has more';
  const amount = `$${formatUsd(nanoUsd(Math.abs(difference.nanoUsd)))}`;
  if (explanation?.isExact === true)
    return difference.nanoUsd < 0
      ? `${side}: ${amount}, exactly one request`
      : `${side}: ${amount}, as much as one request took, which may be counted twice`;
  return `${side}: ${amount}; the requests named closed since the books last agreed`;
}

function idsOf(requestIds: readonly string[]): string | null {
  return requestIds.length === 0 ? null : JSON.stringify(requestIds);
}
