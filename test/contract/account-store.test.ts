import { setTimeout as sleep } from 'node:timers/promises';
import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/clock.ts';
import { randomText } from '../../core/ids.ts';
import { counterValue } from '../../core/limits/account.ts';
import { planCreate, planStatus } from '../../core/limits/account-setup.ts';
import { readScope, readShards } from '../../core/limits/account-store.ts';
import type { AccountWrite, Condition } from '../../core/limits/account-write.ts';
import { createAccounts } from '../../core/limits/accounts.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { correctPosted } from '../../core/limits/posted.ts';
import { reapAccount } from '../../core/limits/reaper.ts';
import { momentOf, planReserve } from '../../core/limits/reserve.ts';
import { withRiders } from '../../core/limits/rides.ts';
import { planSettle } from '../../core/limits/settle.ts';
import { setUpScope } from '../../core/limits/shard-setup.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { accountKey } from '../../core/tenancy/scopes.ts';
import { createAccountScan } from '../../lambdas/adapters/account-scan.ts';
import { type Plain, toAttribute } from '../../lambdas/adapters/attribute-values.ts';
import { type Aws, createAws } from '../../lambdas/adapters/aws-client.ts';
import { createDynamoAccounts } from '../../lambdas/adapters/dynamo-accounts.ts';
import { overAws } from '../../lambdas/adapters/dynamo-lean.ts';
import type { DynamoPort } from '../../lambdas/adapters/dynamo-port.ts';
import { overSdk } from '../../lambdas/adapters/dynamo-sdk.ts';
import { leasesNamed } from '../support/leases.ts';
import { createMemoryStore, type MemoryStore } from '../support/memory-store.ts';
import { type AccountEngine, HAS_ENGINE, openAccountEngine } from './account-engine.ts';

/** One meaning of a conditional write: the twin that the simulation trusts and the real engine must agree. */
describe.skipIf(!HAS_ENGINE).each(['the SDK', 'our own client'])(
  'account store over %s',
  (transport) => {
    let engine: AccountEngine;
    let client: AccountEngine['client'];
    let tableName: string;
    let aws: Aws;
    let dynamo: DynamoPort;

    beforeAll(async () => {
      engine = await openAccountEngine();
      ({ client, tableName } = engine);
      aws = createAws({ clock: systemClock, env: engine.env });
      const lean = aws.client('dynamodb', { attempts: 10, attemptMs: 10_000 });
      dynamo = transport === 'the SDK' ? overSdk(client) : overAws(lean);
    });
    afterAll(async () => {
      aws.close();
      await engine.close();
    });

    async function put(
      twin: MemoryStore,
      plain: Readonly<Record<string, Plain>> & { readonly [TABLE_KEY]: string },
    ): Promise<void> {
      twin.items.set(plain[TABLE_KEY], plain);
      const attributes = Object.entries(plain).map(([name, value]) => [name, toAttribute(value)]);
      await client.send(
        new PutItemCommand({ TableName: tableName, Item: Object.fromEntries(attributes) }),
      );
    }

    const item = fc.record(
      {
        st: fc.constantFrom('active', 'revoked'),
        uM202611: fc.nat(10),
        h: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.constant([1, 2, 3, 4, 5]), {
          noNullPrototype: true,
        }),
      },
      { requiredKeys: ['h'] },
    );
    const leaf: fc.Arbitrary<Condition> = fc.oneof(
      fc.record({
        kind: fc.constant('equals' as const),
        path: fc.constant(['st'] as const),
        value: fc.constant('active'),
      }),
      fc.record({
        kind: fc.constant('at-most' as const),
        path: fc.constantFrom(['uM202611'] as const, ['rs1'] as const),
        value: fc.integer({ min: -2, max: 10 }),
      }),
      fc.record({
        kind: fc.constantFrom('absent' as const, 'present' as const),
        path: fc.constantFrom(['h', 'a'] as const, ['st'] as const, ['h', 'z'] as const),
      }),
      fc.record({
        kind: fc.constant('fewer-than' as const),
        path: fc.constant(['h'] as const),
        value: fc.nat(4),
      }),
    );
    const condition: fc.Arbitrary<Condition> = fc.oneof(
      leaf,
      fc.record({
        kind: fc.constant('any' as const),
        of: fc.array(fc.array(leaf, { minLength: 1, maxLength: 2 }), { maxLength: 3 }),
      }),
    );
    const parts = fc.record({
      conditions: fc.array(condition, { minLength: 1, maxLength: 4 }),
      set: fc.constantFrom(
        [],
        [
          [
            ['h', 'n'],
            [9, 8, 7, 6, 5],
          ] as const,
        ],
        [[['s'], 5] as const],
      ),
      add: fc.constantFrom([], [['uM202611', 3] as const], [['tM202611', -4] as const]),
      remove: fc.constantFrom([], [['h', 'a'] as const], [['st'] as const]),
    });
    const write: fc.Arbitrary<AccountWrite> = fc
      .tuple(parts, fc.constantFrom(undefined, 'always' as const, 'if-applied' as const))
      .map(([each, itemUnread]) => (itemUnread === undefined ? each : { ...each, itemUnread }));

    it('means the same in memory and in DynamoDB', async () => {
      const real = createDynamoAccounts({ dynamo, tableName });
      let run = 0;
      await fc.assert(
        fc.asyncProperty(item, write, async (stored, change) => {
          if (change.set.length + change.add.length + change.remove.length === 0) return;
          run += 1;
          const key = `item-${run}`;
          const twin = createMemoryStore();
          await put(twin, { [TABLE_KEY]: key, ...stored });
          expect(await real.write(key, change)).toEqual(await twin.write(key, change));
        }),
        { numRuns: 300 },
      );
    });

    it('refuses without an item when there is no account', async () => {
      const real = createDynamoAccounts({ dynamo, tableName });
      const change = {
        conditions: [{ kind: 'equals' as const, path: ['st'] as const, value: 'active' }],
        set: [],
        add: [['x', 1] as const],
        remove: [],
      };
      expect(await real.write('nobody', change)).toEqual({ kind: 'refused' });
    });

    it('writes several accounts or none, and agrees on which in memory and in DynamoDB', async () => {
      const real = createDynamoAccounts({ dynamo, tableName });
      let run = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(item, write), { minLength: 2, maxLength: 4 }),
          async (legs) => {
            const changes = legs.filter(
              ([, { set, add, remove }]) => set.length + add.length + remove.length > 0,
            );
            if (changes.length === 0) return;
            run += 1;
            const twin = createMemoryStore();
            const writes = changes.map(([, each], index) => ({
              key: `leg-${run}-${index}`,
              write: each,
            }));
            for (const [index, [stored]] of changes.entries())
              await put(twin, { [TABLE_KEY]: `leg-${run}-${index}`, ...stored });
            expect(await real.writeTogether(writes)).toBe(await twin.writeTogether(writes));
            for (const { key } of writes)
              expect(await real.read(key)).toEqual(await twin.read(key));
          },
        ),
        { numRuns: 100 },
      );
    });

    it.each(['nothing', 'a hold', 'the status'])(
      'reserves and settles in one write, or does neither: %s has changed',
      async (changed) => {
        const real = createDynamoAccounts({ dynamo, tableName });
        const twin = createMemoryStore();
        const key = `rides-${changed}`;
        const at = momentOf(0, { day: 20261120, month: 202611 });
        const actual = { nanoUsd: 3, inputTokens: 2, outputTokens: 1 };
        const [last, ...riders] = ['00000001', '00000002', '00000003'].map((holdId) => ({
          ...{ holdId, at, expiresAtSeconds: 1_800_000_000 },
          demand: { nanoUsd: 10, inputTokens: 5, outputTokens: 5 },
          owner: { kind: 'lead', requestId: `req_${holdId}`, alias: 'm' } as const,
        }));
        if (last === undefined) throw new Error('no request');
        const settlements = riders.map((request) =>
          planSettle({ request, plan: {}, isDoubtful: true }, actual, at),
        );
        const write = async (each: AccountWrite) => {
          const [result, expected] = [await real.write(key, each), await twin.write(key, each)];
          expect(result.kind).toBe(expected.kind);
          return result.kind;
        };
        await write(planCreate({ limits: {}, policyVersion: 1 }));
        for (const request of riders) await write(planReserve(request, {}));
        if (changed === 'a hold') for (const each of settlements.slice(1)) await write(each);
        if (changed === 'the status') await write(planStatus('revoked'));
        const together = withRiders(planReserve(last, {}), settlements);
        expect(await write(together)).toBe(changed === 'nothing' ? 'applied' : 'refused');
        expect(await write(together)).toBe('refused');
        const { [TABLE_KEY]: _key, ...item } = (await real.read(key)) ?? {};
        expect(item).toEqual(await twin.read(key));
      },
    );

    it.each([
      ['in one account', 'one', {}, 1],
      ['in seven shards', 'seven', { requestsPerMinute: 8_400 }, 7],
    ])(
      'admits exactly what fits when many reserve at once %s',
      async (_, teamId, rates, shards) => {
        const store = createDynamoAccounts({ dynamo, tableName });
        // Time stands still: under this load a caller would run out of it, and be told so instead of an answer.
        const nowMs = Date.now();
        const clock = { nowMs: () => nowMs };
        const scope = { kind: 'team', tenantId: 'acme', teamId } as const;
        const limits = { nanoUsdPerMonth: 1_000, tokensPerMinute: 500_000, ...rates };
        const setup = { limits, policyVersion: 1 };
        const at = momentOf(clock.nowMs(), calendarDay(clock.nowMs(), 'UTC'));
        expect(await setUpScope(store, accountKey(scope), { setup, at })).toBe(true);
        expect(await readShards(store, accountKey(scope), 1)).toHaveLength(shards);
        // Callers in eight environments, which remember nothing of each other.
        const environments = Array.from({ length: 8 }, () => createAccounts({ store, clock }));
        const reserve = (index: number) =>
          environments[index % environments.length]?.reserve({
            requestId: `req_${String(index).padStart(8, '0')}`,
            alias: 'm',
            demand: { nanoUsd: 7, inputTokens: 1, outputTokens: 1 },
            scopes: [{ scope, limits, policyVersion: 1 }],
            timeZone: 'UTC',
            holdSeconds: 900,
          });
        const outcomes = await Promise.all(
          Array.from({ length: 400 }, (_, index) => reserve(index)),
        );
        const kinds = outcomes.map((outcome) => outcome?.kind);
        expect(kinds.filter((kind) => kind === 'reserved')).toHaveLength(Math.floor(1_000 / 7));
        expect(kinds.filter((kind) => kind === 'refused')).toHaveLength(
          400 - Math.floor(1_000 / 7),
        );
        const account = await readScope(store, accountKey(scope));
        expect(account?.plan.nanoUsdPerMonth).toBe(1_000);
        expect(account?.holds.size).toBe(Math.floor(1_000 / 7));
      },
    );

    it('never overspends, nor loses a call, when four workers with leases race for one budget', async () => {
      const store = createDynamoAccounts({ dynamo, tableName });
      const nowMs = Date.now();
      const clock = { nowMs: () => nowMs };
      const key = { kind: 'key', keyId: 'vk_aaaaaaaaaaaa' } as const;
      const team = { kind: 'team', tenantId: 'acme', teamId: 'raced' } as const;
      const at = momentOf(nowMs, calendarDay(nowMs, 'UTC'));
      const [limits, policyVersion, nanoUsd] = [{ nanoUsdPerMonth: 15_000 }, 1, 100];
      await setUpScope(store, accountKey(key), { setup: { limits: {}, policyVersion }, at });
      await setUpScope(store, accountKey(team), { setup: { limits, policyVersion }, at });
      const workers = Array.from({ length: 4 }, () =>
        createAccounts({
          store,
          clock,
          pause: (ms) => sleep(ms / 20),
          newLeases: leasesNamed(randomText),
        }),
      );
      const counts = { settled: 0, refused: 0, leased: 0 };
      const call = async (index: number) => {
        await sleep(index * 5);
        const outcome = await workers[index % workers.length]?.reserve({
          requestId: `req_${String(index).padStart(8, '0')}`,
          alias: 'm',
          demand: { nanoUsd, inputTokens: 1, outputTokens: 1 },
          scopes: [
            { scope: key, limits: {} },
            { scope: team, limits, policyVersion },
          ],
          timeZone: 'UTC',
          holdSeconds: 900,
        });
        if (outcome?.kind === 'refused') counts.refused += 1;
        if (outcome?.kind !== 'reserved') return;
        if (outcome.grants[1]?.part !== undefined) counts.leased += 1;
        await workers[index % workers.length]?.settle(outcome, {
          nanoUsd,
          inputTokens: 1,
          outputTokens: 1,
        });
        counts.settled += 1;
      };
      await Promise.all(Array.from({ length: 200 }, (_, index) => call(index)));
      await sleep(500);
      const account = await readScope(store, accountKey(team));
      expect(counts.settled).toBeLessThanOrEqual(150);
      expect(counts.leased).toBeGreaterThan(10);
      expect(counts.settled + counts.refused).toBe(200);
      if (account === undefined) throw new Error('no account');
      expect(account.holds.size).toBe(0);
      const spent = counts.settled * nanoUsd;
      for (const counter of ['nanoUsdPerMonth', 'settledNanoUsd'] as const)
        expect(counterValue(account, counter, at.month)).toBe(spent);
      expect(spent).toBeGreaterThan(0.9 * limits.nanoUsdPerMonth);
      console.log('four workers, one budget', { ...counts, spent, limit: limits.nanoUsdPerMonth });
    });

    it('posts, finds and corrects a call whose process died, in accounts of any name', async () => {
      const store = createDynamoAccounts({ dynamo, tableName });
      let nowMs = Date.UTC(2026, 10, 20, 12);
      const clock = { nowMs: () => nowMs };
      const at = momentOf(nowMs, calendarDay(nowMs, 'UTC'));
      const scopes = [
        { kind: 'key', keyId: 'vk_0123456789ab' },
        { kind: 'team', tenantId: 'a/b%', teamId: 'posted' },
      ] as const;
      const limits = { nanoUsdPerMonth: 10_000 };
      for (const scope of scopes)
        await setUpScope(store, accountKey(scope), { setup: { limits, policyVersion: 1 }, at });
      await createAccounts({ store, clock }).reserve({
        requestId: 'req_eeeeeeeeffffffffffffff',
        alias: 'm',
        demand: { nanoUsd: 1_000, inputTokens: 10, outputTokens: 10 },
        scopes: scopes.map((scope) => ({ scope, limits })),
        timeZone: 'UTC',
        holdSeconds: 900,
      });
      nowMs += 960_000;
      const scan = createAccountScan({ client, tableName });
      const keys = scopes.map(accountKey);
      expect(await all(scan.withHolds())).toEqual(expect.arrayContaining(keys));
      const ports = { store, clock, pause: async () => {}, bookExpired: async () => {} };
      for (const key of keys)
        expect(await reapAccount(ports, key)).toMatchObject({ posted: 1, released: 0 });
      expect(await all(scan.withHolds())).not.toEqual(expect.arrayContaining(keys.slice(0, 1)));
      const truth = {
        requestId: 'req_eeeeeeeeffffffffffffff',
        keyId: 'vk_0123456789ab',
        provider: null,
        actual: { nanoUsd: 300, inputTokens: 5, outputTokens: 1 },
      };
      await Promise.all([0, 1, 2].map(() => correctPosted(ports, truth)));
      for (const key of keys) {
        const account = await readScope(store, key);
        expect(account && counterValue(account, 'settledNanoUsd', 202611)).toBe(300);
        expect(account && counterValue(account, 'nanoUsdPerMonth', 202611)).toBe(300);
      }
    });
  },
);

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const value of values) found.push(value);
  return found;
}
