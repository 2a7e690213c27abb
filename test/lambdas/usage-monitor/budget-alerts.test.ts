import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { compilePolicy } from '../../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import type { UsageEvent } from '../../../core/usage/event.ts';
import { createBudgetAlerts } from '../../../lambdas/usage-monitor/budget-alerts.ts';
import {
  type SimulatedProvider,
  startSimulatedProvider,
} from '../../../local/simulated-provider/simulated-provider.ts';
import { createTestGateway, type TestGateway } from '../../support/gateway.ts';

let provider: SimulatedProvider;
const open: TestGateway[] = [];

beforeAll(async () => {
  provider = await startSimulatedProvider({ speed: { ttftMs: 0 } });
});
afterAll(() => provider.close());
afterEach(() => {
  for (const gateway of open.splice(0)) gateway.close();
});

const detailSchema = z.looseObject({
  scope: z.string(),
  thresholdPercent: z.number(),
  deduplicationId: z.string(),
});

/** Every call of sim-small costs about $0.0001 to $0.0005 here. */
function company({ team = '', tenant = '', project = '' }) {
  const text = `time_zone: UTC
providers:
  main: { kind: openai, base_url: ${JSON.stringify(provider.url)} }
models:
  sim-small:
    tier: shared
    context_tokens: 128K
    max_output_tokens: 8K
    default_max_output_tokens: 20
    routes: [{ provider: main, model: sim-small, price: { input: $10, output: $20 } }]
  small: # six dollars a call
    tier: shared
    context_tokens: 128K
    max_output_tokens: 8K
    default_max_output_tokens: 60
    routes: [{ provider: main, model: sim-small+tokens=60, price: { input: $0, output: "$100,000" } }]
  big: # four dollars a call
    tier: shared
    context_tokens: 128K
    max_output_tokens: 8K
    default_max_output_tokens: 4000
    routes: [{ provider: main, model: sim-small+tokens=4000+tps=1000000, price: { input: $0, output: "$1,000" } }]
tenants:
  acme:
    owner: carol
    limits: { ${tenant} }
    teams:
      search: { owner: ann, tiers: [shared], limits: { ${team} } }
    projects:
      web: { team: search, limits: { ${project} } }
`;
  const parsed = parsePolicy(text, 'policy.yaml');
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.errors));
  const gateway = createTestGateway({
    providerUrl: provider.url,
    compiled: compilePolicy(parsed.policy, 1, Date.now()),
  });
  open.push(gateway);
  const told: z.infer<typeof detailSchema>[] = [];
  const bus = { isDown: false, laterMs: 0 };
  const createMonitor = () =>
    createBudgetAlerts({
      store: gateway.store,
      directory: { policy: gateway.ports.directory.policy, findKeyById: async () => undefined },
      eventBridge: {
        send: async ({ input }) => {
          if (bus.isDown) throw new Error('the bus is out of reach');
          for (const { Detail = '' } of input.Entries ?? [])
            told.push(detailSchema.parse(JSON.parse(Detail)));
          return { FailedEntryCount: 0 };
        },
      },
      busName: 'bus',
      clock: { nowMs: () => Date.now() + bus.laterMs },
    });
  const call = async (model = 'sim-small') => {
    const answer = await gateway.chat({ model });
    await answer.closed;
    return answer.status;
  };
  const costOf = async () => {
    await call();
    return gateway.events.at(-1)?.cost_nano_usd ?? 0;
  };
  return { gateway, told, bus, monitor: createMonitor(), createMonitor, call, costOf };
}

/** A budget of so many calls like this policy's; the first call of any company costs the same. */
async function callsCost(): Promise<number> {
  const cost = await company({}).costOf();
  if (cost === 0) throw new Error('the call was free');
  return cost;
}

const usd = (nano: number) => `$${(nano / 1e9).toFixed(9)}`;

describe('a budget threshold', () => {
  it('of 80 percent is told once under redelivery, in any order, by several monitors', async () => {
    const cost = await callsCost();
    const w = company({ team: `monthly_budget: ${usd(cost * 11)}` });
    for (let made = 0; made < 9; made += 1) expect(await w.call()).toBe(200);
    const { events } = w.gateway;
    for (const event of events.toReversed()) await w.monitor.check([event]);
    await w.monitor.check(events);
    await w.createMonitor().check(events);
    await w.createMonitor().check([...events, ...events]);
    const percents = w.told.map(({ thresholdPercent }) => thresholdPercent);
    expect(percents.toSorted((a, b) => a - b)).toEqual([50, 70, 80]);
  });

  it.each([
    ['in order', (events: readonly UsageEvent[]) => [events]],
    ['one by one, the big call first', (events) => events.toReversed().map((event) => [event])],
    ['the big call alone, and all again', (events) => [events.slice(-1), [...events, ...events]]],
  ] satisfies [string, (events: readonly UsageEvent[]) => (readonly UsageEvent[])[]][])(
    'is told with all others that one big call crosses at once, each once: %s',
    async (_, batchesOf) => {
      const w = company({ team: 'monthly_budget: $10' });
      await w.call('small');
      await w.call('big');
      const { events } = w.gateway;
      // From below 70 % to the last nano-dollar.
      expect(events.map(({ cost_nano_usd: cost }) => cost)).toEqual([6e9, 4e9]);
      for (const batch of batchesOf(events)) await w.createMonitor().check(batch);
      await w.monitor.check(events);
      expect(w.told.map(({ thresholdPercent }) => thresholdPercent)).toEqual([50, 70, 80, 100]);
    },
  );

  it('is told of the tenant, the team and the project, each under its own name', async () => {
    const cost = await callsCost();
    const budget = `monthly_budget: ${usd(cost * 5)}`;
    const w = company({ team: budget, tenant: budget, project: budget });
    for (let made = 0; made < 3; made += 1) await w.call();
    await w.monitor.check(w.gateway.events);
    const names = w.told.map(({ scope, thresholdPercent }) => `${scope} ${thresholdPercent}`);
    expect(names.toSorted()).toEqual(['project:web 50', 'team:search 50', 'tenant:acme 50']);
    expect(w.told.find(({ scope }) => scope === 'tenant:acme')?.['owner']).toBe('carol');
    expect(new Set(w.told.map(({ deduplicationId }) => deduplicationId)).size).toBe(3);
  });

  it('of no budget is no threshold', async () => {
    const w = company({});
    await w.call();
    expect(await w.monitor.check(w.gateway.events)).toEqual([]);
    expect(w.told).toEqual([]);
  });
});

describe('while the alert bus is out', () => {
  it('calls are answered, and the threshold is told once when the bus is back', async () => {
    const cost = await callsCost();
    const w = company({ team: `monthly_budget: ${usd(cost * 20)}` });
    w.bus.isDown = true;
    for (let made = 0; made < 11; made += 1) {
      expect(await w.call()).toBe(200);
      if (made === 10)
        await expect(w.monitor.check(w.gateway.events)).rejects.toThrow('out of reach');
    }
    // The stream brings the batch again, here to a process that knows nothing of the first delivery.
    w.bus.laterMs += 60_000;
    await expect(w.createMonitor().check(w.gateway.events)).rejects.toThrow('out of reach');
    expect(await w.call()).toBe(200);
    expect(w.told).toEqual([]);
    w.bus.isDown = false;
    w.bus.laterMs += 60_000;
    await w.createMonitor().check(w.gateway.events);
    await w.createMonitor().check(w.gateway.events);
    expect(w.told.map(({ thresholdPercent }) => thresholdPercent)).toEqual([50]);
  });
});
