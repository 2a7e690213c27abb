import { beforeAll, describe, expect, it } from 'vitest';
import {
  countedSince,
  expiredWithTruth,
  ledgerByDay,
  ledgerByKey,
  ledgerOfRequests,
  rawAgainstLedger,
  suspects,
} from '../../../core/reconcile/questions.ts';
import { insertResults } from '../../../core/reconcile/results-table.ts';
import { rowsOf, scopeOfKey } from '../../../core/reconcile/scope-rows.ts';
import { accountKey } from '../../../core/tenancy/scopes.ts';
import { loadTrino } from '../../support/trino.ts';

const CUT = { sureMs: 1, maybeMs: 2 };
const SUMS = { nanoUsd: -5, inputTokens: 1, outputTokens: 0 };
const FILTER = { where: rowsOf(scopeOfKey("team/o'neill/a%2Fb")), period: '2026-11' };
const ROW = {
  checked_day: '2026-11-20',
  checked_at_ms: 1,
  snapshot_at_ms: null,
  check_kind: 'raw',
  scope: null,
  period: null,
  verdict: 'different',
  settled_nano_usd: 0,
  ledger_nano_usd: 0,
  difference_nano_usd: -1,
  difference_input_tokens: 0,
  difference_output_tokens: 0,
  held_nano_usd: 0,
  settled_requests: 0,
  ledger_requests: 0,
  posted_calls: 0,
  explanation: "it's",
  request_ids: null,
} as const;

describe('what the reconciler asks', () => {
  let validate: (sql: string) => readonly unknown[];
  beforeAll(async () => {
    validate = await loadTrino();
  }, 30_000);

  it.each<readonly [string, string]>([
    ['the ledger by key', ledgerByKey(CUT, ['2026-11', '2026-10'])],
    [
      'the ledger by day',
      ledgerByDay(CUT, {
        days: [20261119, 20261120].map((number) => ({ number, fromMs: 10_000, toMs: 90_000 })),
        without: ["a'b", 'c'],
        skewMs: 5_000,
      }),
    ],
    ['requests', ledgerOfRequests(CUT, { periods: ['2026-11'], requestIds: ["a'b", 'c'] })],
    ['expired calls', expiredWithTruth('2026-11-20', '2026-11')],
    ['since when it counts', countedSince(FILTER, CUT, SUMS)],
    ['suspects', suspects(FILTER, { sinceMs: 1, untilMs: 2 }, SUMS)],
    [
      'raw against ledger',
      rawAgainstLedger({
        fromDay: '2026-11-18',
        beforeHour: '2026-11-20 11',
        fromPeriod: '2026-11',
      }),
    ],
    ...insertResults([ROW]).map((sql): [string, string] => ['results', sql]),
  ])('is Trino SQL: %s', (_name, sql) => {
    expect(validate(sql)).toEqual([]);
  });

  it('filters on partitions and carries ids as literals, whatever is in them', () => {
    for (const sql of [
      ledgerByKey(CUT, ['2026-11', '2026-10']),
      suspects(FILTER, { sinceMs: 1, untilMs: 2 }, SUMS),
    ])
      expect(sql).toMatch(/booked_period >= '2026-1[01]'/);
    expect(FILTER.where).toBe("tenant_id = 'o''neill' AND team_id = 'a/b'");
  });

  it('splits results into statements that Athena takes', () => {
    const statements = insertResults(
      Array.from({ length: 450 }, () => ({ ...ROW, explanation: 'x'.repeat(600) })),
    );
    expect(statements).toHaveLength(3);
    for (const sql of statements) expect(Buffer.byteLength(sql)).toBeLessThan(262_144);
  });

  it.each([
    { kind: 'key', keyId: 'vk_1' },
    { kind: 'team', tenantId: 'a%2F/b', teamId: '%25' },
    { kind: 'tenant', tenantId: 'a/b%' },
  ] as const)('reads an account key back: $kind', (scope) => {
    expect(scopeOfKey(accountKey(scope))).toEqual(scope);
  });
});
