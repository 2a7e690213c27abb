import { describe, expect, it } from 'vitest';
import { createAccounts } from '../../../core/limits/accounts.ts';
import type { Limits } from '../../../core/limits/dimensions.ts';
import { reapAccount } from '../../../core/limits/reaper.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { itemSize } from '../../support/item-size.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const KEY: Scope = { kind: 'key', keyId: 'vk_0123456789ab' };
const TEAM: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const LIMITS: Limits = {
  requestsPerSecond: 100,
  tokensPerMinute: 50_000_000,
  concurrentRequests: 1_000,
  tokensPerMonth: 10_000_000_000,
  nanoUsdPerMonth: 50_000_000_000_000,
};

/** The accounts of a busy team and its key, in their second month, with so many calls open. */
async function busy(openCalls: number): Promise<{ key: number; team: number }> {
  const store = createMemoryStore();
  store.setUp(KEY, {});
  store.setUp(TEAM, LIMITS);
  let nowMs = Date.UTC(2026, 10, 20, 12);
  const accounts = createAccounts({ store, clock: { nowMs: () => nowMs } });
  const reserve = async (index: number) => {
    const requestId = `req_${String(index).padStart(8, '0')}bbbbbbbbbbbbbb`;
    const scopes = [
      { scope: KEY, limits: {} },
      { scope: TEAM, limits: LIMITS },
    ];
    const demand = { nanoUsd: 123_456_789, inputTokens: 12_345, outputTokens: 4_096 };
    const outcome = await accounts.reserve({
      requestId,
      alias: 'gpt-5-mini',
      policyVersion: 12_345,
      demand,
      scopes,
      timeZone: 'UTC',
      holdSeconds: 900,
    });
    if (outcome.kind !== 'reserved') throw new Error(outcome.kind);
    return outcome;
  };
  for (let index = 0; index < 50; index += 1) {
    await accounts.settle(await reserve(index), {
      nanoUsd: 98_765_432,
      inputTokens: 11_111,
      outputTokens: 999,
    });
    nowMs += index === 24 ? 20 * 86_400_000 : 400;
  }
  for (let index = 0; index < openCalls; index += 1) {
    await reserve(1_000 + index);
    nowMs += 20;
  }
  const size = (scope: Scope) =>
    itemSize(store.items.get(accountKey(scope)) ?? {}, accountKey(scope));
  return { key: size(KEY), team: size(TEAM) };
}

/** The accounts of a key and its team after so many calls whose processes died, with their holds posted. */
async function afterCrashes(
  deadCalls: number,
): Promise<{ key: number; team: number; call: number }> {
  const store = createMemoryStore();
  store.setUp(KEY, {});
  store.setUp(TEAM, LIMITS);
  let nowMs = Date.UTC(2026, 10, 20, 12);
  const clock = { nowMs: () => nowMs };
  const accounts = createAccounts({ store, clock });
  for (let index = 0; index < deadCalls; index += 1) {
    await accounts.reserve({
      requestId: `req_${String(index).padStart(8, '0')}bbbbbbbbbbbbbb`,
      alias: 'gpt-5-mini',
      policyVersion: 12_345,
      demand: { nanoUsd: 123_456_789, inputTokens: 12_345, outputTokens: 4_096 },
      scopes: [
        { scope: KEY, limits: {} },
        { scope: TEAM, limits: LIMITS },
      ],
      timeZone: 'UTC',
      holdSeconds: 900,
    });
    nowMs += 50;
  }
  nowMs += 960_000;
  const ports = { store, clock, pause: async () => {}, bookExpired: async () => {} };
  for (const scope of [TEAM, KEY]) await reapAccount(ports, accountKey(scope));
  const size = (key: string) => itemSize(store.items.get(key) ?? {}, key);
  const [call = ''] = [...store.items.keys()].filter((key) => key.startsWith('posted/'));
  return { key: size(accountKey(KEY)), team: size(accountKey(TEAM)), call: size(call) };
}

describe('an account item', () => {
  it('of a team with five limits stays under one write unit with sixteen open calls', async () => {
    expect((await busy(16)).team).toBeLessThanOrEqual(1_024);
  });

  it('of a key stays under one write unit with eight open calls', async () => {
    expect((await busy(8)).key).toBeLessThanOrEqual(1_024);
  });

  it('grows by less than 50 bytes for each open call, and a key by less than 80', async () => {
    const [calm, full] = [await busy(1), await busy(101)];
    expect((full.team - calm.team) / 100).toBeLessThan(50);
    expect((full.key - calm.key) / 100).toBeLessThan(80);
  });

  it('stays under one write unit however many calls died', async () => {
    const storm = await afterCrashes(300);
    console.log('bytes after 300 posted calls', storm);
    for (const bytes of Object.values(storm)) expect(bytes).toBeLessThanOrEqual(1_024);
  });
});
