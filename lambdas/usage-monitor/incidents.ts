/**
 * Turns findings into stored incidents and events on the bus: write the transition with the right to tell it, put the event,
 * mark it as told. Whoever meets a transition that is written and, ten seconds later, still not told takes its telling over.
 */
import { incidentEvent } from '../../core/alerts/event-schema.ts';
import type { IncidentStore, StoredIncident } from '../../core/alerts/incident-store.ts';
import {
  afterAbsence,
  afterFinding,
  type Found,
  type Incident,
  keyOfFinding,
} from '../../core/alerts/incidents.ts';
import type { DetectorKind } from '../../core/alerts/thresholds.ts';
import type { Clock } from '../../core/clock.ts';
import { ALERT_DETAIL_TYPE } from '../../core/names.ts';
import { accountKey, type Scope } from '../../core/tenancy/scopes.ts';

export interface IncidentsOptions {
  readonly store: IncidentStore;
  /** Throws when the bus refuses it. */
  readonly tell: (detailType: string, detail: Readonly<Record<string, unknown>>) => Promise<void>;
  readonly clock: Clock;
}

export interface Incidents {
  /** `absent` says of which kinds it means something that nothing was found. */
  settle(scope: Scope, found: readonly Found[], absent?: AbsentKinds): Promise<void>;
}

export type AbsentKinds = (kind: DetectorKind) => boolean;

const CLAIM_SECONDS = 10;

export function createIncidents(options: IncidentsOptions): Incidents {
  return {
    async settle(scope, found, absent = () => false) {
      const nowMs = options.clock.nowMs();
      const stored = await options.store.ofTarget(accountKey(scope));
      const seen = new Set<string>();
      for (const each of found) {
        const key = keyOfFinding(each.finding, scope);
        seen.add(key);
        const before = stored.get(key);
        await advance(options, key, { before, after: afterFinding(before?.incident, each, nowMs) });
      }
      for (const [key, before] of stored) {
        if (seen.has(key)) continue;
        const isAbsent = absent(before.incident.kind);
        const after = isAbsent ? afterAbsence(before.incident, nowMs) : undefined;
        await advance(options, key, { before, after });
      }
    },
  };
}

interface Change {
  readonly before: StoredIncident | undefined;
  /** Undefined where the incident stays as it is. */
  readonly after: Incident | undefined;
}

async function advance(options: IncidentsOptions, key: string, change: Change): Promise<void> {
  const { before, after = before?.incident } = change;
  if (after === undefined) return;
  const nowSeconds = Math.floor(options.clock.nowMs() / 1000);
  const toldTransitions = before?.toldTransitions ?? 0;
  const isUntold = toldTransitions < after.transitions;
  const isNew = after.transitions > (before?.incident.transitions ?? 0);
  const isClaimed = (before?.claimedAtSeconds ?? 0) > nowSeconds - CLAIM_SECONDS;
  const mayTell = isUntold && (isNew || !isClaimed);
  if (change.after === undefined && !mayTell) return;
  const claimedAtSeconds = mayTell ? nowSeconds : (before?.claimedAtSeconds ?? 0);
  const version = before?.version ?? 0;
  const claim = { incident: after, version, toldTransitions, claimedAtSeconds };
  // Somebody else was here a moment ago, and tells it or will be met as dead.
  if (!(await options.store.write(key, claim)) || !mayTell) return;
  await options.tell(ALERT_DETAIL_TYPE.incident, incidentEvent(after));
  await options.store.write(key, {
    ...claim,
    version: version + 1,
    toldTransitions: after.transitions,
  });
}
