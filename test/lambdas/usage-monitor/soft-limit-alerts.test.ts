import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { type AccountStore, StoreFault } from '../../../core/limits/account-store.ts';
import { createAccounts } from '../../../core/limits/accounts.ts';
import type { Limits } from '../../../core/limits/dimensions.ts';
import type { LimitPlan } from '../../../core/limits/schedule.ts';
import { setUpScope } from '../../../core/limits/shard-setup.ts';
import { compilePolicy } from '../../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import type { UsageEvent } from '../../../core/usage/event.ts';
import { createSoftLimitAlerts } from '../../../lambdas/usage-monitor/soft-limit-alerts.ts';
import {
  type SimulatedProvider,
  startSimulatedProvider,
} from '../../../local/simulated-provider/simulated-provider.ts';
import { createTestGateway, type TestGateway } from '../../support/gateway.ts';

const TEAM: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const HOUR_MS = 3_600_000;
const putSchema = z.object({
  Entries: z.array(z.object({ Detail: z.string(), DetailType: z.string() })),
});

let provider: SimulatedProvider;
const open: TestGateway[] = [];

beforeAll(async () => {
  provider = await startSimulatedProvider({ speed: { ttftMs: 0 } });
});
afterAll(() => provider.close());
afterEach(() => {
  for (const gateway of open.splice(0)) gateway.close();
});

interface Company {
  readonly team?: string;
  readonly tenant?: string;
  readonly project?: string;
  readonly key?: LimitPlan;
}

/** A gateway whose events go to the monitor when the test says so; `puts` are what arrives at the bus. */
function company({ team = '', tenant = '', project = '', key = {} }: Company) {
  const text = `time_zone: UTC
providers:
  main: { kind: openai, base_url: ${JSON.stringify(provider.url)} }
models:
  sim-small:
    tier: shared
    context_tokens: 128K
    max_output_tokens: 8K
    default_max_output_tokens: 200
    routes: [{ provider: main, model: sim-small, price: { input: $1, output: $2 } }]
tenants:
  acme:
    owner: carol
    soft_limits: { ${tenant} }
    teams:
      search: { owner: ann, tiers: [shared], soft_limits: { ${team} } }
    projects:
      web: { team: search, soft_limits: { ${project} } }
`;
  const parsed = parsePolicy(text, 'policy.yaml');
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.errors));
  const compiled = compilePolicy(parsed.policy, 1, Date.now());
  const gateway = createTestGateway({ providerUrl: provider.url, compiled, limits: { key } });
  open.push(gateway);
  const puts: Record<string, unknown>[] = [];
  const faults: Error[] = [];
  let aheadMs = 0;
  const eventBridge = new EventBridgeClient({ region: 'us-east-1' });
  eventBridge.middlewareStack.add(
    () => async (args) => {
      const fault = faults.shift();
      if (fault !== undefined) throw fault;
      for (const { Detail, DetailType } of putSchema.parse(args.input).Entries)
        puts.push({ type: DetailType, ...JSON.parse(Detail) });
      return { output: { $metadata: {}, FailedEntryCount: 0 }, response: {} };
    },
    { step: 'initialize', priority: 'high' },
  );
  const monitorOver = (store: AccountStore) =>
    createSoftLimitAlerts({
      store,
      directory: gateway.ports.directory,
      eventBridge,
      busName: 'bus',
      clock: { nowMs: () => Date.now() + aheadMs },
      report: gateway.ports.report,
    });
  return {
    gateway,
    puts,
    faults,
    monitor: monitorOver(gateway.store),
    monitorOver,
    advance: (ms: number) => {
      aheadMs += ms;
    },
    /** The statuses of so many calls, one after the other, their books closed. */
    calls: async (count: number) => {
      const statuses: number[] = [];
      for (let made = 0; made < count; made += 1) {
        const answer = await gateway.chat({});
        await answer.closed;
        statuses.push(answer.status);
      }
      return statuses;
    },
    crossed: () => gateway.events.filter((event) => event.soft_limits_crossed !== null),
  };
}

describe('a soft limit', () => {
  it.each([
    ['requests_per_minute: 2', 'requests per minute', '2'],
    ['tokens_per_minute: 300', 'tokens per minute', '300'],
    ['concurrent_requests: 1', 'concurrent requests', '1'],
    ['daily_quota: 300', 'tokens per day', '300'],
    ['monthly_budget: $0.0005', 'dollars per month', '$0.0005'],
  ])('of a team (%s) refuses nobody and is told once', async (line, dimension, limit) => {
    const w = company({ team: line });
    expect(await w.calls(3)).toEqual([200, 200, 200]);
    expect(w.crossed().length).toBeGreaterThan(0);
    await w.monitor.check(w.gateway.events);
    // Redelivered, and all events of later calls too.
    await w.monitor.check(w.gateway.events);
    await w.calls(2);
    await w.monitor.check(w.gateway.events);
    expect(w.puts).toHaveLength(1);
    expect(w.puts[0]).toMatchObject({
      type: 'Soft limit crossed',
      scope: 'team:search',
      tenantId: 'acme',
      owner: 'ann',
      dimension,
      limit,
    });
  });

  it('of a project and of a key is told to the owner of the team', async () => {
    const key = { soft: { tokensPerDay: 1 } };
    const w = company({ project: 'requests_per_minute: 1', key });
    await w.calls(2);
    await w.monitor.check(w.gateway.events);
    await w.monitor.check(w.gateway.events);
    const told = w.puts.map(({ scope, dimension, owner }) => ({ scope, dimension, owner }));
    expect(told.toSorted((a, b) => String(a.scope).localeCompare(String(b.scope)))).toEqual([
      { scope: 'key:vk_test', dimension: 'tokens per day', owner: 'ann' },
      { scope: 'project:web', dimension: 'requests per minute', owner: 'ann' },
    ]);
    const before = w.crossed().length;
    await w.calls(1);
    expect(w.crossed()).toHaveLength(before);
  });

  it('is not mentioned by calls once it was told', async () => {
    const w = company({ team: 'requests_per_minute: 1' });
    await w.calls(2);
    const before = w.crossed().length;
    await w.monitor.check(w.gateway.events);
    await w.calls(2);
    expect(w.crossed()).toHaveLength(before);
  });

  it('of windows is told again after an hour', async () => {
    const w = company({ team: 'requests_per_minute: 1' });
    await w.calls(1);
    await w.monitor.check(w.gateway.events);
    w.advance(HOUR_MS - 60_000);
    await w.monitor.check(w.gateway.events);
    expect(w.puts).toHaveLength(1);
    w.advance(120_000);
    await w.monitor.check(w.gateway.events);
    expect(w.puts).toHaveLength(2);
    expect(w.puts[0]?.['deduplicationId']).not.toBe(w.puts[1]?.['deduplicationId']);
  });

  it('of a tenant and of its team are two', async () => {
    const w = company({ team: 'daily_quota: 1', tenant: 'daily_quota: 1, monthly_quota: 1' });
    await w.calls(1);
    await w.monitor.check(w.gateway.events);
    expect(w.puts.map(({ scope, dimension }) => `${scope} ${dimension}`).toSorted()).toEqual([
      'team:search tokens per day',
      'tenant:acme tokens per day',
      'tenant:acme tokens per month',
    ]);
    const whose = new Map(w.puts.map(({ scope, teamId, owner }) => [scope, [teamId, owner]]));
    // The tenant's is no matter of the team whose call saw it: it goes to the tenant's channels.
    expect(whose).toEqual(
      new Map([
        ['team:search', ['search', 'ann']],
        ['tenant:acme', [undefined, 'carol']],
      ]),
    );
  });

  it('that is not reached is not told', async () => {
    const w = company({ team: 'requests_per_minute: 3' });
    await w.calls(2);
    expect(w.crossed()).toEqual([]);
  });

  it('is told by the next batch when the bus refuses it', async () => {
    const w = company({ team: 'requests_per_minute: 1' });
    await w.calls(1);
    w.faults.push(new Error('out of reach'));
    await expect(w.monitor.check(w.gateway.events)).rejects.toThrow('out of reach');
    await expect(w.monitor.check(w.gateway.events)).rejects.toThrow('claimed elsewhere');
    w.advance(11_000);
    await w.monitor.check(w.gateway.events);
    expect(w.puts).toHaveLength(1);
  });

  it('in a column that cannot be read is reported and keeps nothing else back', async () => {
    const w = company({ team: 'requests_per_minute: 1' });
    await w.calls(1);
    const broken = w.gateway.events.map(
      (event): UsageEvent => ({ ...event, soft_limits_crossed: '{' }),
    );
    await w.monitor.check([...broken, ...w.gateway.events]);
    expect(w.puts).toHaveLength(1);
    expect(w.gateway.reports).toEqual([expect.stringContaining('record not readable')]);
  });
});

describe('a soft limit of a scope with several accounts', () => {
  /** A team of seven accounts, and events made of what its reserves find. */
  async function hotTeam(soft: Limits) {
    const w = company({});
    const { store } = w.gateway;
    const limits: LimitPlan = { requestsPerSecond: 140, soft };
    const at = { nowMs: 0, cameMs: 0, second: 0, minute: 0, day: 20261120, month: 202611 };
    await setUpScope(store, accountKey(TEAM), { setup: { limits, policyVersion: 9 }, at });
    await w.calls(1);
    const [event] = w.gateway.events;
    if (event === undefined) throw new Error('no event');
    const accounts = createAccounts({ store, clock: { nowMs: () => Date.now() } });
    let sequence = 0;
    const reserve = async (nanoUsd: number): Promise<UsageEvent> => {
      sequence += 1;
      const outcome = await accounts.reserve({
        requestId: `req_${String(sequence).padStart(8, '0')}bbbbbbbbbbbbbb`,
        alias: 'm',
        demand: { nanoUsd, inputTokens: 1, outputTokens: 0 },
        scopes: [{ scope: TEAM, limits, policyVersion: 9 }],
        timeZone: 'UTC',
        holdSeconds: 900,
      });
      if (outcome.kind !== 'reserved') throw new Error(outcome.kind);
      const { crossings } = outcome;
      return {
        ...event,
        soft_limits_crossed: crossings.length === 0 ? null : JSON.stringify(crossings),
      };
    };
    return { ...w, reserve };
  }

  it('is told when the sum reaches it, not when one slice does', async () => {
    const w = await hotTeam({ nanoUsdPerMonth: 700 });
    for (let spent = 0; spent < 690; spent += 10) await w.monitor.check([await w.reserve(10)]);
    expect(w.puts).toEqual([]);
    await w.monitor.check([await w.reserve(20)]);
    expect(w.puts).toHaveLength(1);
    for (let more = 0; more < 50; more += 1) await w.monitor.check([await w.reserve(10)]);
    expect(w.puts).toHaveLength(1);
    expect((await w.reserve(10)).soft_limits_crossed).toBeNull();
  });

  it('is marked in each account once, however often deliveries fail in between', async () => {
    const w = await hotTeam({ nanoUsdPerMonth: 700 });
    for (let spent = 0; spent < 690; spent += 10) await w.reserve(10);
    const crossed = await w.reserve(20);
    const { write } = w.gateway.store;
    const marked: string[] = [];
    let isDown = true;
    const store: AccountStore = {
      ...w.gateway.store,
      async write(key, change) {
        if (isDown && key.endsWith('%.6')) throw new StoreFault('slow down', { isDoubtful: false });
        const outcome = await write(key, change);
        if (key.includes('%.')) marked.push(key);
        return outcome;
      },
    };
    const monitor = w.monitorOver(store);
    await expect(monitor.check([crossed])).rejects.toThrow();
    isDown = false;
    await monitor.check([crossed]);
    expect(marked.toSorted()).toEqual(
      [1, 2, 3, 4, 5, 6].map((index) => `${accountKey(TEAM)}%.${index}`),
    );
    expect(w.puts).toHaveLength(1);
  });
});
