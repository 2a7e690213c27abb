import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { counterValue } from '../../core/limits/account.ts';
import { readScope } from '../../core/limits/account-store.ts';
import type { Path } from '../../core/limits/account-write.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import { setUpScope } from '../../core/limits/shard-setup.ts';
import { accountKey } from '../../core/tenancy/scopes.ts';
import { createDynamoAccounts } from '../../lambdas/adapters/dynamo-accounts.ts';
import { overSdk } from '../../lambdas/adapters/dynamo-sdk.ts';
import {
  type SimulatedProvider,
  startSimulatedProvider,
} from '../../local/simulated-provider/simulated-provider.ts';
import { createTestGateway, TEAM } from '../support/gateway.ts';
import { type AccountEngine, HAS_ENGINE, openAccountEngine } from './account-engine.ts';

const KEY = { kind: 'key', keyId: 'vk_test' } as const;
const CALLS = 200;
/** Forty tokens of output at two dollars a million, and some of input: about half of the calls fit. */
const MESSAGES = [{ role: 'user', content: 'Hello. sim+tokens=40' }];
const BUDGET = 8_000_000;
/** Some twenty calls are open at once. */
const EVERY_MS = 40;

/** One gateway that serves many calls at once, as a worker on managed instances does, over a real engine. */
describe.skipIf(!HAS_ENGINE)('a gateway with leases', () => {
  let engine: AccountEngine;
  let provider: SimulatedProvider;

  beforeAll(async () => {
    engine = await openAccountEngine();
    provider = await startSimulatedProvider({ speed: { ttftMs: 800 } });
  });
  afterAll(async () => {
    await provider.close();
    await engine.close();
  });

  it('overspends nothing when 200 calls race for a budget, and its books are exact', async () => {
    const store = createDynamoAccounts({
      dynamo: overSdk(engine.client),
      tableName: engine.tableName,
    });
    const nowMs = Date.now();
    const at = momentOf(nowMs, calendarDay(nowMs, 'UTC'));
    const limits = { nanoUsdPerMonth: BUDGET };
    const setup = { limits, policyVersion: 7 };
    await setUpScope(store, accountKey(KEY), { setup: { ...setup, limits: {} }, at });
    await setUpScope(store, accountKey(TEAM), { setup, at });
    let leaseWrites = 0;
    let ridden = 0;
    const gateway = createTestGateway({
      providerUrl: provider.url,
      limits: { team: limits },
      hasLeases: true,
      store: () => ({
        ...store,
        write(key, write) {
          const isLease = write.set.some(([, value]) => /^[^@~=^]*\.&/.test(String(value)));
          if (isLease) leaseWrites += 1;
          if (write.set.some(isHold))
            ridden += write.remove.filter((path) => isHold([path])).length;
          return store.write(key, write);
        },
      }),
    });
    const call = async (index: number) => {
      await sleep(index * EVERY_MS);
      const answer = await gateway.chat({
        messages: MESSAGES,
        max_tokens: 40,
        stream: index % 2 === 0,
      });
      await answer.closed;
      return answer.status;
    };
    const statuses = await Promise.all(Array.from({ length: CALLS }, (_, index) => call(index)));
    await sleep(1_500);
    gateway.close();

    const account = await readScope(store, accountKey(TEAM));
    if (account === undefined) throw new Error('no account');
    const served = gateway.events.filter(({ outcome }) => outcome !== 'denied');
    const cost = served.reduce((sum, event) => sum + event.cost_nano_usd, 0);
    console.log({ ok: served.length, cost, leaseWrites, ridden, reports: gateway.reports.length });
    expect(statuses.filter((status) => status === 200)).toHaveLength(served.length);
    expect(statuses.filter((status) => status === 429)).toHaveLength(CALLS - served.length);
    expect(served.length).toBeLessThan(CALLS);
    expect(leaseWrites).toBeGreaterThan(0);
    expect(ridden).toBeGreaterThan(0);
    expect(cost).toBeLessThanOrEqual(BUDGET);
    expect(account.holds.size).toBe(0);
    expect(counterValue(account, 'nanoUsdPerMonth', at.month)).toBe(cost);
    expect(counterValue(account, 'settledNanoUsd', at.month)).toBe(cost);
    expect(counterValue(account, 'settledRequests', at.month)).toBe(served.length);
    const { calls, promptTokens, completionTokens } = provider.ledger();
    expect(calls).toBe(served.length);
    expect(cost).toBe(250 * promptTokens + 2_000 * completionTokens);
  });
});

function isHold([[map, id]]: readonly [Path, ...unknown[]]): boolean {
  return map === 'h' && id !== undefined;
}
