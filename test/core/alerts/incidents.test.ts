import { describe, expect, it } from 'vitest';
import type { Finding } from '../../../core/alerts/finding.ts';
import type { IncidentStore, StoredIncident } from '../../../core/alerts/incident-store.ts';
import {
  afterAbsence,
  afterFinding,
  type Incident,
  incidentKey,
} from '../../../core/alerts/incidents.ts';
import type { Severity } from '../../../core/alerts/thresholds.ts';
import { createIncidents } from '../../../lambdas/usage-monitor/incidents.ts';

const MINUTE_MS = 60_000;
const scope = { kind: 'team', tenantId: 'acme', teamId: 'search' } as const;

function found(severity: Severity = 'warning', isLingering = false) {
  const finding: Finding = {
    kind: 'spike',
    labels: { tenant: 'acme', team: 'search' },
    isLingering,
    severity,
    numbers: { tokens: 5, usualTokens: 1, deviations: 4 },
    summary: 'five times the usual',
  };
  return { finding, scope, owner: 'ann' };
}

function opened(atMs = 0): Incident {
  const incident = afterFinding(undefined, found(), atMs);
  if (incident === undefined) throw new Error('not opened');
  return incident;
}

describe('an incident', () => {
  it('opens when it is found, and not when it merely lingers', () => {
    expect(opened()).toMatchObject({ isOpen: true, transition: 'opened', transitions: 1 });
    expect(afterFinding(undefined, found('warning', true), 0)).toBeUndefined();
  });

  it('is told again only when it is worse', () => {
    expect(afterFinding(opened(), found(), MINUTE_MS)).toBeUndefined();
    expect(afterFinding(opened(), found('info'), MINUTE_MS)).toBeUndefined();
    expect(afterFinding(opened(), found('critical'), MINUTE_MS)).toMatchObject({
      transition: 'worsened',
      severity: 'critical',
      transitions: 2,
      sinceMs: 0,
    });
  });

  it('ends ten minutes after it was last found, lingering included', () => {
    const kept = afterFinding(opened(), found('warning', true), 5 * MINUTE_MS);
    expect(kept).toMatchObject({ seenMs: 5 * MINUTE_MS, transitions: 1 });
    if (kept === undefined) throw new Error('not kept');
    expect(afterAbsence(kept, 14 * MINUTE_MS)).toBeUndefined();
    const closed = afterAbsence(kept, 15 * MINUTE_MS);
    expect(closed).toMatchObject({ isOpen: false, transition: 'closed', transitions: 2 });
    if (closed === undefined) throw new Error('not closed');
    expect(afterAbsence(closed, 60 * MINUTE_MS)).toBeUndefined();
    expect(afterFinding(closed, found(), 60 * MINUTE_MS)).toMatchObject({
      transition: 'opened',
      transitions: 3,
      sinceMs: 60 * MINUTE_MS,
    });
  });
});

/** The store in memory, and a bus that may refuse. */
function world() {
  const items = new Map<string, StoredIncident>();
  const told: Readonly<Record<string, unknown>>[] = [];
  const faults: Error[] = [];
  let nowMs = 0;
  const store: IncidentStore = {
    ofTarget: async () => new Map(items),
    unfinished: async () => new Map(items),
    async write(key, stored) {
      if ((items.get(key)?.version ?? 0) !== stored.version) return false;
      items.set(key, { ...stored, version: stored.version + 1 });
      return true;
    },
  };
  const incidents = createIncidents({
    store,
    clock: { nowMs: () => nowMs },
    tell: async (_type, detail) => {
      const fault = faults.shift();
      if (fault !== undefined) throw fault;
      told.push(detail);
    },
  });
  const advance = (ms: number) => {
    nowMs += ms;
  };
  const states = () => told.map(({ state }) => state);
  return { incidents, told, states, faults, advance };
}

describe('the telling of incidents', () => {
  it('puts one event for each transition, however often and by however many it is found', async () => {
    const w = world();
    await Promise.all([1, 2, 3].map(() => w.incidents.settle(scope, [found()])));
    await w.incidents.settle(scope, [found()]);
    expect(w.states()).toEqual(['opened']);
    w.advance(MINUTE_MS);
    await Promise.all([1, 2].map(() => w.incidents.settle(scope, [found('critical')])));
    expect(w.states()).toEqual(['opened', 'worsened']);
    w.advance(11 * MINUTE_MS);
    await w.incidents.settle(scope, []);
    expect(w.states()).toEqual(['opened', 'worsened']);
    await Promise.all([1, 2].map(() => w.incidents.settle(scope, [], () => true)));
    await w.incidents.settle(scope, [], () => true);
    expect(w.states()).toEqual(['opened', 'worsened', 'closed']);
    expect(new Set(w.told.map(({ deduplicationId }) => deduplicationId)).size).toBe(3);
  });

  it('is taken over ten seconds after a teller that died, and not before', async () => {
    const w = world();
    w.faults.push(new Error('out of reach'));
    await expect(w.incidents.settle(scope, [found()])).rejects.toThrow('out of reach');
    await w.incidents.settle(scope, [found()]);
    expect(w.states()).toEqual([]);
    w.advance(11_000);
    await Promise.all([1, 2].map(() => w.incidents.settle(scope, [found()])));
    await w.incidents.settle(scope, [found()]);
    expect(w.states()).toEqual(['opened']);
  });

  it('closes nothing of a kind that was not looked for', async () => {
    const w = world();
    await w.incidents.settle(scope, [found()]);
    w.advance(60 * MINUTE_MS);
    await w.incidents.settle(scope, [], (kind) => kind === 'budget-projection');
    expect(w.states()).toEqual(['opened']);
  });

  it('keeps incidents of other features and models apart', () => {
    const key = (labels: Incident['labels']) =>
      incidentKey({ kind: 'spike', target: 'team/a/b', labels });
    expect(key({ feature: 'a/b' })).not.toBe(key({ feature: 'a', model: 'b' }));
    expect(key({ feature: 'x' })).not.toBe(key({ model: 'x' }));
  });
});
