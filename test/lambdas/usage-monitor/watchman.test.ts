import { describe, expect, it } from 'vitest';
import type { StoredIncident } from '../../../core/alerts/incident-store.ts';
import type { Found } from '../../../core/alerts/incidents.ts';
import type { PolicySnapshot } from '../../../core/catalog/snapshot.ts';
import { foldEvents } from '../../../core/rollups/fold.ts';
import { accountKey } from '../../../core/tenancy/scopes.ts';
import { createIncidents } from '../../../lambdas/usage-monitor/incidents.ts';
import { createWatchman } from '../../../lambdas/usage-monitor/watchman.ts';
import { USAGE_EVENT } from '../../support/ledger-lake.ts';

const MINUTE_MS = 60_000;
const scope = {
  kind: 'team',
  tenantId: USAGE_EVENT.tenant_id,
  teamId: USAGE_EVENT.team_id,
} as const;
const target = accountKey(scope);
const POLICY: PolicySnapshot = {
  version: 1,
  timeZone: 'UTC',
  providers: {},
  models: {},
  teams: {},
  projects: [],
};

const spike: Found = {
  finding: {
    kind: 'spike',
    labels: { tenant: scope.tenantId, team: scope.teamId },
    isLingering: false,
    severity: 'warning',
    numbers: { tokens: 5, usualTokens: 1, deviations: 4 },
    summary: 'five times the usual',
  },
  scope,
  owner: 'ann',
};

/** The real incidents over a store in memory; what is found is said by the test. */
function world() {
  const items = new Map<string, StoredIncident>();
  const active = new Map<number, Set<string>>();
  const looked: string[] = [];
  const reported: string[] = [];
  const states: unknown[] = [];
  const w = {
    found: [spike] as readonly Found[],
    fails: '',
    looksMs: 0,
    nowMs: USAGE_EVENT.event_time_ms,
  };
  const clock = { nowMs: () => w.nowMs };
  const store = {
    ofTarget: async (of: string) =>
      new Map([...items].filter(([, { incident }]) => incident.target === of)),
    unfinished: async () =>
      new Map(
        [...items].filter(
          ([, { incident, toldTransitions }]) =>
            incident.isOpen || toldTransitions < incident.transitions,
        ),
      ),
    async write(key: string, stored: StoredIncident) {
      if ((items.get(key)?.version ?? 0) !== stored.version) return false;
      items.set(key, { ...stored, version: stored.version + 1 });
      return true;
    },
  };
  const watchman = createWatchman({
    watch: {
      async look(of) {
        looked.push(accountKey(of));
        w.nowMs += w.looksMs;
        if (accountKey(of) === w.fails) throw new Error('out of reach');
        return accountKey(of) === target ? [...w.found] : [];
      },
    },
    incidents: createIncidents({
      store,
      clock,
      tell: async (_type, detail) => void states.push(detail['state']),
    }),
    store,
    index: {
      markActive: async (startMs, of) =>
        void active.set(startMs, (active.get(startMs) ?? new Set()).add(of)),
      activeIn: async (startMs) => [...(active.get(startMs) ?? [])],
    },
    budgets: { outlook: async (budget) => ({ scope: budget.scope, found: [] }) },
    directory: { policy: async () => POLICY },
    clock,
    report: (incident) => reported.push(incident),
  });
  const additions = (teams: readonly string[] = [scope.teamId]) => {
    const events = teams.map((team_id) => ({
      event: { ...USAGE_EVENT, team_id, event_time_ms: w.nowMs },
      sequence: '1',
      arrivedAtMs: w.nowMs,
    }));
    return [...foldEvents(events, () => undefined).values()];
  };
  return { w, watchman, looked, reported, states, additions };
}

describe('after a batch', () => {
  it('looks at what was touched, at most once a minute each', async () => {
    const { w, watchman, looked, additions } = world();
    await watchman.afterBatch(additions(), []);
    const first = looked.length;
    expect(looked).toContain(target);
    await watchman.afterBatch(additions(), []);
    expect(looked).toHaveLength(first);
    w.nowMs += MINUTE_MS;
    await watchman.afterBatch(additions(), []);
    expect(looked).toHaveLength(2 * first);
  });

  it('sees the others when one scope cannot be looked at, and says so', async () => {
    const { w, watchman, reported, states, additions } = world();
    w.fails = accountKey({ kind: 'tenant', tenantId: scope.tenantId });
    await watchman.afterBatch(additions(), []);
    expect(reported).toEqual(['incidents not checked']);
    expect(states).toEqual(['opened']);
  });

  it('leaves to the next batch what it has no time to look at', async () => {
    const { w, watchman, looked, additions } = world();
    w.looksMs = 1_500;
    const teams = Array.from({ length: 39 }, (_, at) => `team-${at}`);
    const batch = additions(teams);
    await watchman.afterBatch(batch, []);
    expect(looked.length).toBeLessThan(20);
    await watchman.afterBatch(batch, []);
    await watchman.afterBatch(batch, []);
    // The teams, their tenant and the pool, each once.
    expect(looked).toHaveLength(teams.length + 2);
    expect(new Set(looked).size).toBe(looked.length);
  });

  it('closes nothing: only the tick does', async () => {
    const { w, watchman, states, additions } = world();
    await watchman.afterBatch(additions(), []);
    w.found = [];
    w.nowMs += 30 * MINUTE_MS;
    await watchman.afterBatch(additions(), []);
    expect(states).toEqual(['opened']);
  });
});

describe('a tick', () => {
  it('closes an incident ten minutes after it was last found, though nobody calls any more', async () => {
    const { w, watchman, states, additions } = world();
    await watchman.afterBatch(additions(), []);
    w.found = [];
    w.nowMs += 9 * MINUTE_MS;
    await watchman.tick();
    expect(states).toEqual(['opened']);
    w.nowMs += 60 * MINUTE_MS;
    await watchman.tick();
    await watchman.tick();
    expect(states).toEqual(['opened', 'closed']);
  });

  it('looks at what was active in the windows before, and then no more', async () => {
    const { w, watchman, looked, additions } = world();
    w.found = [];
    await watchman.afterBatch(additions(), []);
    const before = looked.length;
    w.nowMs += 10 * MINUTE_MS;
    await watchman.tick();
    expect(looked.slice(before)).toContain(target);
    const after = looked.length;
    w.nowMs += 20 * MINUTE_MS;
    await watchman.tick();
    expect(looked).toHaveLength(after);
  });
});
