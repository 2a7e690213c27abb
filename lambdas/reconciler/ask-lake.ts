/** The reconciler's questions to the lake, with their answers as values. */
import type { EpochMs } from '../../core/clock.ts';
import type { Comparison, LedgerRequest, LedgerRow } from '../../core/reconcile/compare.ts';
import type { LedgerDay } from '../../core/reconcile/days.ts';
import {
  type Cut,
  countedSince,
  expiredWithTruth,
  ledgerByDay,
  ledgerByKey,
  ledgerOfRequests,
  type RawWindow,
  rawAgainstLedger,
  suspects,
} from '../../core/reconcile/questions.ts';
import { rowsOf, scopeOfKey } from '../../core/reconcile/scope-rows.ts';
import { addSums, NO_SUMS, type Snapshot, type Sums } from '../../core/reconcile/snapshot.ts';
import { SKEW_MS } from '../../core/reconcile/state.ts';
import type { Athena, AthenaRow } from '../adapters/athena.ts';

interface ExpiredCall {
  readonly requestId: string;
  readonly keyId: string;
  readonly provider: string | null;
  readonly actual: Sums;
}

interface RawDifference {
  readonly requestIds: readonly string[];
  /** Booked less raw, over the requests named. */
  readonly difference: Sums;
}

interface Explanation {
  readonly countedSinceMs?: EpochMs;
  readonly requestIds: readonly string[];
  /** The first one's amounts are exactly the difference. */
  readonly isExact: boolean;
}

export interface Lake {
  ledger(cut: Cut, periods: readonly string[]): Promise<LedgerRow[]>;
  requests(
    cut: Cut,
    of: { periods: readonly string[]; requestIds: readonly string[] },
  ): Promise<LedgerRequest[]>;
  /** Undefined where more calls were open or posted than a statement can name. */
  days(cut: Cut, snapshot: Snapshot): Promise<LedgerDay[] | undefined>;
  expired(window: { fromDay: string; fromPeriod: string }): Promise<ExpiredCall[]>;
  rawDifference(window: RawWindow): Promise<RawDifference>;
  explain(comparison: Comparison, cut: Cut, sinceMs: EpochMs): Promise<Explanation>;
}

/** A statement of Athena is at most 262,144 bytes, and an id takes about 30. */
const IDS_A_STATEMENT = 2_000;

export function createLake(athena: Athena, deadlineMs: EpochMs): Lake {
  const ask = (sql: string) => athena.run(sql, deadlineMs);
  return {
    async ledger(cut, periods) {
      const rows = await ask(ledgerByKey(cut, periods));
      return rows.map((row) => ({
        tenantId: row[0] ?? '',
        teamId: row[1] ?? '',
        keyId: row[2] ?? '',
        period: row[3] ?? '',
        requests: Number(row[4]),
        sure: sumsAt(row, 5),
        maybe: sumsAt(row, 8),
      }));
    },
    async requests(cut, { periods, requestIds }) {
      const found: LedgerRequest[] = [];
      for (let from = 0; from < requestIds.length; from += IDS_A_STATEMENT) {
        const some = requestIds.slice(from, from + IDS_A_STATEMENT);
        const rows = await ask(ledgerOfRequests(cut, { periods, requestIds: some }));
        for (const row of rows)
          found.push({ requestId: row[0] ?? '', sure: sumsAt(row, 2), maybe: sumsAt(row, 5) });
      }
      return found;
    },
    async days(cut, { days, requestIds }) {
      if (days === undefined || days.days.length === 0) return [];
      if (requestIds.length > IDS_A_STATEMENT) return undefined;
      const part = { days: days.days, without: requestIds, skewMs: SKEW_MS };
      const rows = await ask(ledgerByDay(cut, part));
      return rows.map((row) => ({
        tenantId: row[0] ?? '',
        teamId: row[1] ?? '',
        keyId: row[2] ?? '',
        day: Number(row[3]),
        sure: { nanoUsd: Number(row[4]), tokens: Number(row[5]) },
        maybe: { nanoUsd: Number(row[6]), tokens: Number(row[7]) },
      }));
    },
    async expired({ fromDay, fromPeriod }) {
      const rows = await ask(expiredWithTruth(fromDay, fromPeriod));
      return rows.map((row) => ({
        requestId: row[0] ?? '',
        keyId: row[1] ?? '',
        provider: row[2] ?? null,
        actual: sumsAt(row, 3),
      }));
    },
    async rawDifference(window) {
      const rows = await ask(rawAgainstLedger(window));
      const differences = rows.map((row) => addSums(sumsAt(row, 7), sumsAt(row, 4), -1));
      return {
        requestIds: rows.map(([requestId = '']) => requestId),
        difference: differences.reduce((sum, each) => addSums(sum, each), NO_SUMS),
      };
    },
    explain: (comparison, cut, sinceMs) => explain(ask, comparison, { cut, sinceMs }),
  };
}

type Ask = (sql: string) => Promise<readonly AthenaRow[]>;

async function explain(
  ask: Ask,
  { scope, period, difference }: Comparison,
  { cut, sinceMs }: { cut: Cut; sinceMs: EpochMs },
): Promise<Explanation> {
  const filter = { where: rowsOf(scopeOfKey(scope)), period };
  if (!scope.startsWith('key/') && difference.nanoUsd <= 0) {
    const missing = addSums(NO_SUMS, difference, -1);
    const [[since] = []] = await ask(countedSince(filter, cut, missing));
    if (since !== undefined)
      return { countedSinceMs: Number(since), requestIds: [], isExact: true };
  }
  const window = { sinceMs, untilMs: cut.maybeMs };
  const rows = await ask(suspects(filter, window, difference));
  const isExact = rows[0]?.[1] === 'true';
  const named = isExact ? rows.slice(0, 1) : rows;
  return { requestIds: named.map(([requestId = '']) => requestId), isExact };
}

function sumsAt(row: AthenaRow, from: number): Sums {
  return {
    nanoUsd: Number(row[from]),
    inputTokens: Number(row[from + 1]),
    outputTokens: Number(row[from + 2]),
  };
}
