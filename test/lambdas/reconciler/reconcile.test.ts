import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRandom } from '../../simulation/random.ts';
import { createProofBooks, type ProofBooks } from '../../support/proof-books.ts';

const NOON_MS = Date.parse('2026-11-20T12:00:00Z');

let books: ProofBooks;
beforeEach(async () => {
  books = await createProofBooks(NOON_MS);
});
afterEach(() => books.close());

describe('the reconciler', () => {
  it('finds accounts and ledger equal to the nano-dollar, in each key, team and tenant', async () => {
    for (const [keyId, teamId] of [
      ['vk_1', 'search'],
      ['vk_1', 'search'],
      ['vk_2', 'search'],
      ['vk_3', 'chat/a'],
    ] as const)
      await books.call({ keyId, teamId });
    books.minutes(1);
    expect(await books.proveNow()).toEqual({ corrected: 0, compared: 6, different: 0 });
    expect(books.alerts).toEqual([]);
    const [run] =
      await books.lake.ask(`SELECT verdict, settled_nano_usd, ledger_nano_usd, ledger_requests
      FROM reconciliation WHERE check_kind = 'run'`);
    expect(run).toEqual(['equal', '4000', '4000', '4']);
  });

  it('keeps a row of every account at night', async () => {
    await books.call();
    books.minutes(1);
    await books.check();
    books.minutes(60);
    await books.check('nightly');
    expect((await books.results()).map(([kind, scope, verdict]) => [kind, scope, verdict])).toEqual(
      [
        ['accounts', 'key/vk_1', 'equal'],
        ['accounts', 'team/acme/search', 'equal'],
        ['accounts', 'tenant/acme', 'equal'],
        ['run', undefined, 'equal'],
      ],
    );
  });

  it('does not take calls in flight for differences: open ones, and those that close as it reads', async () => {
    await books.call({ fate: 'open' });
    const slow = await books.call({ fate: 'not settled' });
    await books.call();
    expect((await books.proveNow()).different).toBe(0);
    await slow.settle();
    books.minutes(5);
    expect((await books.proveNow()).different).toBe(0);
  });

  it('counts a call that is still open in the accounts as not settled, however long its event is known', async () => {
    await books.call({ fate: 'not settled' });
    books.minutes(5);
    expect(await books.proveNow()).toMatchObject({ compared: 3, different: 0 });
  });

  it('corrects calls that were posted at their hold to what the ledger knows, in every account', async () => {
    const { event } = await books.call({ fate: 'not settled' });
    books.minutes(20);
    await books.reap();
    books.minutes(1);
    expect(await books.check()).toEqual({ corrected: 1, compared: 0, different: 0 });
    books.minutes(60);
    expect(await books.check()).toEqual({ corrected: 1, compared: 3, different: 0 });
    const scopes = ['key/vk_1', 'team/acme/search', 'tenant/acme'];
    for (const scope of scopes)
      expect(books.store.items.get(scope)).toMatchObject({
        su202611: event.cost_nano_usd,
        uM202611: event.cost_nano_usd,
        sn202611: 1,
      });
  });

  it('agrees about calls that were posted and whose truth nobody knows, and again when it comes late', async () => {
    const { event } = await books.call({ fate: 'open' });
    books.minutes(20);
    await books.reap();
    books.minutes(1);
    expect(await books.proveNow()).toEqual({ corrected: 0, compared: 3, different: 0 });
    // The accounts are read as posted, and then the truth arrives.
    books.lake.arrive([event]);
    books.minutes(60);
    expect(await books.check()).toEqual({ corrected: 1, compared: 3, different: 0 });
    books.minutes(60);
    expect(await books.check()).toEqual({ corrected: 1, compared: 3, different: 0 });
    expect(books.alerts).toEqual([]);
  });

  it('names the request that the ledger has and the accounts do not, and tells it once', async () => {
    await books.call();
    books.minutes(1);
    await books.proveNow();
    const { event } = await books.call({
      used: { nanoUsd: 777, inputTokens: 57, outputTokens: 3 },
    });
    const stray = { ...event, request_id: 'req_0000000000000000000000', cost_nano_usd: 4_321 };
    books.lake.arrive([stray]);
    books.minutes(60);
    expect((await books.check()).different).toBe(0);
    for (const _hour of [1, 2]) {
      books.minutes(60);
      expect((await books.check()).different).toBe(3);
    }
    const [key] =
      await books.lake.ask(`SELECT verdict, difference_nano_usd, explanation, request_ids
      FROM reconciliation WHERE scope = 'key/vk_1' ORDER BY checked_at_ms DESC`);
    expect(key).toEqual([
      'different',
      '-4321',
      'the ledger has more: $0.000004321, exactly one request',
      '["req_0000000000000000000000"]',
    ]);
    expect(
      books.alerts.map(({ scope, differenceUsd, requests }) => [scope, differenceUsd, requests]),
    ).toEqual(
      ['key/vk_1', 'team/acme/search', 'tenant/acme'].map((scope) => [
        scope,
        '-0.000004321',
        'req_0000000000000000000000',
      ]),
    );
  });

  it('sees a settlement without an event', async () => {
    await books.call();
    await books.call({
      fate: 'no event',
      used: { nanoUsd: 1_500, inputTokens: 8, outputTokens: 1 },
    });
    books.minutes(1);
    expect((await books.proveNow()).different).toBe(3);
    expect(books.alerts[0]).toMatchObject({
      scope: 'key/vk_1',
      verdict: 'different',
      differenceUsd: '0.0000015',
      explanation:
        'the account has more: $0.0000015; the requests named closed since the books last agreed',
    });
  });

  it('sees an account whose own sums contradict each other', async () => {
    await books.call();
    const item = books.store.items.get('key/vk_1') ?? {};
    books.store.items.set('key/vk_1', { ...item, uM202611: 999 });
    books.minutes(1);
    expect((await books.proveNow()).different).toBe(1);
    expect(books.alerts).toMatchObject([{ scope: 'key/vk_1', verdict: 'unbalanced' }]);
  });

  it('knows an account that is younger than the month', async () => {
    await books.call({ scopes: [] });
    books.minutes(5);
    await books.call({ scopes: [] });
    books.minutes(5);
    await books.call();
    books.minutes(5);
    expect((await books.proveNow()).different).toBe(0);
    const young = (await books.results()).filter(([, , verdict]) => verdict === 'counted-since');
    expect(young.map(([, scope]) => scope)).toEqual(['team/acme/search', 'tenant/acme']);
    expect(young[0]?.[4]).toContain('2026-11-20T12:05:00');
    expect(books.alerts).toEqual([]);
  });

  it('sees a raw event that the ledger lacks, and one that it booked otherwise', async () => {
    const { requestId } = await books.call();
    books.minutes(1);
    await books.check();
    await books.lake.ask(
      `INSERT INTO ledger (entry_id, entry_kind, booked_period, booked_at_ms, request_id, cost_nano_usd, period,
        event_time_ms, duration_ms, tenant_id, team_id, virtual_key_id)
       VALUES ('x', 'correction', '2026-11', 1, '${requestId}', 5, '2026-11', ${NOON_MS}, 0, 'acme', 'search', 'vk_1')`,
    );
    books.minutes(120);
    expect((await books.check()).different).toBe(4);
    const raw = (await books.results()).find(([kind]) => kind === 'raw');
    expect(raw).toMatchObject([
      'raw',
      undefined,
      'different',
      '5',
      expect.any(String),
      `["${requestId}"]`,
    ]);
  });

  it('leaves the accounts that it read last alone until they are old enough', async () => {
    await books.call();
    books.minutes(1);
    await books.check();
    const kept = books.files.get('reconciliation/state.json');
    books.minutes(10);
    expect(await books.check()).toEqual({ corrected: 0, compared: 0, different: 0 });
    expect(books.files.get('reconciliation/state.json')).toBe(kept);
  });

  it('takes one request twice settled for what it may be', async () => {
    await books.call();
    await books.call({ fate: 'no event' });
    books.minutes(1);
    await books.proveNow();
    expect(books.alerts[0]?.['explanation']).toContain('may be counted twice');
  });

  it('compares the months before and after midnight of the last day apart', async () => {
    books.lake.nowMs = Date.parse('2026-11-30T23:58:00Z');
    const late = await books.call({ fate: 'open' });
    books.minutes(4);
    await late.settle();
    books.lake.arrive([{ ...late.event, duration_ms: 4 * 60_000 }]);
    await books.call();
    books.minutes(1);
    expect(await books.proveNow()).toEqual({ corrected: 0, compared: 6, different: 0 });
  });

  describe('by day', () => {
    const DAILY = { nanoUsdPerDay: 1_000_000_000, nanoUsdPerMonth: 1_000_000_000 };
    const dayRows = () =>
      books.lake.ask(`SELECT scope, period, verdict, settled_nano_usd, difference_nano_usd
        FROM reconciliation WHERE check_kind = 'days' ORDER BY checked_at_ms, scope, period`);
    beforeEach(async () => {
      await books.close();
      books = await createProofBooks(Date.parse('2026-11-20T22:30:00Z'), DAILY);
    });

    it('finds today and yesterday equal in each account that counts days, and keeps a row at night', async () => {
      await books.call();
      await books.call({ fate: 'open' });
      books.minutes(100);
      await books.call();
      books.minutes(1);
      await books.check();
      books.minutes(60);
      await books.check('nightly');
      expect(await dayRows()).toEqual(
        ['team/acme/search', 'tenant/acme'].flatMap((scope) => [
          [scope, '2026-11-20', 'equal', '1000', '0'],
          [scope, '2026-11-21', 'equal', '1000', '0'],
        ]),
      );
    });

    it('keeps a row of a day that differs, and tells nobody while the month agrees', async () => {
      await books.call();
      const team = books.store.items.get('team/acme/search');
      books.store.items.set('team/acme/search', { ...team, uD20261120: 1_600 });
      books.minutes(1);
      expect(await books.proveNow()).toMatchObject({ different: 0 });
      expect(await dayRows()).toEqual([
        ['team/acme/search', '2026-11-20', 'day differs', '1600', '600'],
      ]);
      expect(books.alerts).toEqual([]);
    });

    it('takes a call of about midnight for what it may be', async () => {
      books.lake.nowMs = Date.parse('2026-11-20T23:59:58Z');
      const { event, settle } = await books.call({ fate: 'open' });
      await settle();
      // The gateway that heard of it first was three seconds ahead.
      books.lake.arrive([{ ...event, event_time_ms: event.event_time_ms + 3_000 }]);
      books.minutes(1);
      await books.proveNow();
      expect((await dayRows()).map(([, , verdict]) => verdict)).toEqual(['in-flight', 'in-flight']);
    });

    it('never cries wolf over midnight and dead calls', async () => {
      await healthyAndCrashing(4);
      const verdicts = new Set((await dayRows()).map(([, , verdict]) => verdict));
      expect(verdicts).toContain('equal');
      expect(verdicts).not.toContain('day differs');
    });
  });

  it.each([1, 2, 3])(
    'never cries wolf over a day of healthy and crashing calls (seed %i)',
    healthyAndCrashing,
  );
});

async function healthyAndCrashing(seed: number): Promise<void> {
  const random = createRandom(seed);
  const open: { settle: () => Promise<void>; event: object }[] = [];
  for (let hour = 0; hour < 12; hour += 1) {
    for (let calls = 0; calls < 6; calls += 1) {
      const keyId = `vk_${random.between(1, 3)}`;
      const fate = random.chance(0.6) ? 'settled' : random.chance(0.5) ? 'open' : 'not settled';
      const call = await books.call({ keyId, fate });
      if (fate === 'open' && random.chance(0.7)) open.push(call);
      if (random.chance(0.5)) books.minutes(random.between(1, 9));
      if (random.chance(0.4)) {
        for (const late of open.splice(0)) {
          books.lake.arrive([{ ...late.event, duration_ms: 60_000 }]);
          await late.settle();
        }
      }
    }
    if (random.chance(0.8)) await books.reap();
    books.minutes(random.between(46, 70));
    expect(await books.check(hour % 5 === 4 ? 'nightly' : 'hourly')).toMatchObject({
      different: 0,
    });
  }
  expect(books.alerts).toEqual([]);
  expect(books.reports).toEqual([]);
}
