import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLedger, ledgerColumns } from '../../../core/ledger/ledger-table.ts';
import { LAKE } from '../../../core/names.ts';
import {
  createLedgerLake,
  EXPIRED_EVENT,
  type LedgerLake,
  USAGE_EVENT,
} from '../../support/ledger-lake.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOON_MS = USAGE_EVENT.event_time_ms;

let lake: LedgerLake;
beforeEach(() => {
  lake = createLedgerLake(NOON_MS + HOUR_MS);
});
afterEach(() => lake.close());

const entries = () =>
  lake.ask(`SELECT entry_id, entry_kind, cost_nano_usd, booked_period, coalesce(model, '-')
    FROM ${LAKE.ledgerTable} ORDER BY booked_at_ms, entry_id DESC`);
const totals = async () => {
  const [row] = await lake.ask(`SELECT count(*) FILTER (WHERE entry_kind = 'call'),
    sum(cost_nano_usd), sum(input_tokens), sum(output_tokens), sum(held_nano_usd)
    FROM ${LAKE.ledgerTable}`);
  return row?.map(Number);
};

describe('the ledger', () => {
  it('has one row a request, however often its event was delivered and the writer ran', async () => {
    lake.arrive([USAGE_EVENT, USAGE_EVENT]);
    await lake.write();
    lake.nowMs += HOUR_MS;
    lake.arrive([USAGE_EVENT, { ...USAGE_EVENT, request_id: 'req_2' }]);
    await lake.write();
    await lake.write('wide');
    expect(await entries()).toEqual([
      ['req_1', 'call', '1000', '2026-11', 'gpt-5-mini'],
      ['req_2', 'call', '1000', '2026-11', 'gpt-5-mini'],
    ]);
  });

  it('keeps every column of the event as it was', async () => {
    lake.arrive([USAGE_EVENT]);
    await lake.write();
    const names = Object.keys(USAGE_EVENT);
    const [row = []] = await lake.ask(`SELECT ${names.join(', ')} FROM ${LAKE.ledgerTable}`);
    expect(row).toEqual(
      Object.values(USAGE_EVENT).map((value) => (value === null ? undefined : String(value))),
    );
  });

  it('takes an estimate back and books the truth when that arrives, in sums and in each dimension', async () => {
    lake.arrive([EXPIRED_EVENT]);
    await lake.write();
    lake.nowMs += HOUR_MS;
    lake.arrive([USAGE_EVENT]);
    await lake.write();
    await lake.write('wide');
    expect(await entries()).toEqual([
      ['req_1', 'call', '5000', '2026-11', '-'],
      ['req_1/c1-', 'correction', '-5000', '2026-11', '-'],
      ['req_1/c1+', 'correction', '1000', '2026-11', 'gpt-5-mini'],
    ]);
    expect(await totals()).toEqual([1, 1_000, 100, 10, 5_000]);
  });

  it('does not give up the truth for an estimate that comes after it', async () => {
    lake.arrive([USAGE_EVENT]);
    await lake.write();
    lake.nowMs += 4 * DAY_MS;
    lake.arrive([EXPIRED_EVENT, { ...USAGE_EVENT, estimated: true, cost_nano_usd: 1 }]);
    await lake.write();
    await lake.write('wide');
    expect(await totals()).toEqual([1, 1_000, 100, 10, 5_000]);
  });

  it('corrects as often as better copies come', async () => {
    const copies = [
      EXPIRED_EVENT,
      { ...USAGE_EVENT, estimated: true, cost_nano_usd: 1_500 },
      { ...USAGE_EVENT, cost_nano_usd: 1_200 },
      { ...USAGE_EVENT, attempts: 2, cost_nano_usd: 1_300, reasoning_tokens: 3 },
    ];
    for (const copy of copies) {
      lake.arrive([copy]);
      await lake.write();
      await lake.write();
      lake.nowMs += HOUR_MS;
    }
    expect((await entries()).map(([id]) => id)).toEqual(
      ['', '/c1-', '/c1+', '/c2-', '/c2+', '/c3-', '/c3+'].map((end) => `req_1${end}`),
    );
    expect(await totals()).toEqual([1, 1_300, 100, 10, 5_000]);
  });

  it('books what belongs to a closed month in the first open one, and says which month it is of', async () => {
    const october = { period: '2026-10', event_time_ms: Date.parse('2026-10-31T23:00:00Z') };
    lake.nowMs = october.event_time_ms + HOUR_MS;
    lake.arrive([{ ...EXPIRED_EVENT, ...october }]);
    await lake.write();
    lake.closedThrough = '2026-10';
    lake.nowMs += HOUR_MS;
    lake.arrive([
      { ...USAGE_EVENT, ...october },
      { ...USAGE_EVENT, ...october, request_id: 'req_2' },
    ]);
    await lake.write();
    const sums = await lake.ask(`SELECT booked_period, period, sum(cost_nano_usd), count(*)
      FROM ${LAKE.ledgerTable} GROUP BY 1, 2 ORDER BY 1, 2`);
    expect(sums).toEqual([
      ['2026-10', '2026-10', '5000', '1'],
      ['2026-11', '2026-10', String(-5_000 + 1_000 + 1_000), '3'],
    ]);
  });

  it('leaves what is very late, or has a clock of its own, to the night', async () => {
    const strays = [
      {
        ...USAGE_EVENT,
        request_id: 'old',
        event_time_ms: NOON_MS - 30 * DAY_MS,
        period: '2026-10',
      },
      { ...USAGE_EVENT, request_id: 'past', event_time_ms: 0, period: '1970-01' },
      {
        ...USAGE_EVENT,
        request_id: 'future',
        event_time_ms: NOON_MS + 900 * DAY_MS,
        period: '2029-05',
      },
    ];
    lake.arrive(strays);
    await lake.write();
    expect((await entries()).map(([id]) => id)).toEqual(['future']);
    await lake.write('wide');
    await lake.write('wide');
    expect(await totals()).toEqual([3, 3_000, 300, 30, 15_000]);
  });

  it('reads rows of version 1, and keeps rows of a later version for the code that knows it', async () => {
    const { attempt_id: _attempt, pool: _pool, priority: _priority, ...older } = USAGE_EVENT;
    lake.arrive([
      { ...older, schema_version: 1 },
      { ...USAGE_EVENT, request_id: 'req_new', schema_version: 99, mystery: true },
    ]);
    expect(await lake.write()).toEqual({ unknownRows: 0 });
    expect(await lake.write('wide')).toEqual({ unknownRows: 1 });
    expect((await entries()).map(([id]) => id)).toEqual(['req_1']);
    expect(await lake.ask('SELECT request_id FROM usage WHERE schema_version > 2')).toEqual([
      ['req_new'],
    ]);
  });

  it('keeps each call at the price it was made at when prices change within the day', async () => {
    const dearer = { price_version: 'v2', policy_version: 2, cost_nano_usd: 2_000 };
    const later = { ...USAGE_EVENT, ...dearer, request_id: 'req_2' };
    lake.arrive([USAGE_EVENT, later]);
    await lake.write();
    lake.arrive([later, USAGE_EVENT]);
    await lake.write('wide');
    const byPrice = `SELECT price_version, policy_version, count(*), sum(cost_nano_usd)
      FROM ${LAKE.ledgerTable} GROUP BY 1, 2 ORDER BY 1`;
    expect(await lake.ask(byPrice)).toEqual([
      ['v1', '1', '1', '1000'],
      ['v2', '2', '1', '2000'],
    ]);
  });

  it('keeps hostile texts as they are', async () => {
    const hostile = `'); DROP TABLE ledger; -- \u0000" $\{x} =cmd|'/C calc' \u{1F600}`;
    lake.arrive([{ ...USAGE_EVENT, feature: hostile, request_id: "a'b" }]);
    await lake.write();
    expect(await lake.ask(`SELECT feature, entry_id FROM ${LAKE.ledgerTable}`)).toEqual([
      [hostile, "a'b"],
    ]);
  });

  it('gets columns that it does not have yet, and keeps what it has', async () => {
    const older = createLedger('s3://lake/ledger/')
      .replace('  trace_id string,\n', '')
      .replace(/,\n {2}billed_nano_usd bigint/, '');
    await lake.ask(older);
    await lake.ask(`INSERT INTO ${LAKE.ledgerTable} (entry_id, cost_nano_usd) VALUES ('a', 7)`);
    lake.arrive([{ ...USAGE_EVENT, trace_id: 'abc' }]);
    await lake.write();
    expect(new Set((await lake.ask('SHOW COLUMNS IN ledger')).flat())).toEqual(
      new Set(ledgerColumns.map(({ name }) => name)),
    );
    expect(
      await lake.ask('SELECT entry_id, cost_nano_usd, trace_id FROM ledger ORDER BY 1'),
    ).toEqual([
      ['a', '7', undefined],
      ['req_1', '1000', 'abc'],
    ]);
  });

  it('is the same after a merge whose answer was lost', async () => {
    lake.arrive([EXPIRED_EVENT]);
    await Promise.all([lake.write(), lake.write(), lake.write('wide')]);
    lake.arrive([USAGE_EVENT]);
    await Promise.all([lake.write(), lake.write('wide'), lake.write()]);
    expect(await totals()).toEqual([1, 1_000, 100, 10, 5_000]);
  });
});
