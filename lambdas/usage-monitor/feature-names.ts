/**
 * Under which name each feature of a batch is summed. A team has so many sums of features a day; the store decides which, so
 * that a record that comes again is counted under the same name. What is known already costs no round trip.
 */

import type { FeatureOf, StreamEvent } from '../../core/rollups/fold.ts';
import {
  collectionOf,
  featureName,
  MAX_FEATURES,
  OTHER_FEATURES,
} from '../../core/rollups/subjects.ts';
import { momentOfEvent } from '../../core/rollups/windows.ts';
import type { RollupIndex } from '../adapters/rollup-index.ts';

const DAY_MS = 86_400_000;
/** Teams and days: 4 KB each when full. */
const MAX_KNOWN = 5_000;

export interface FeatureNames {
  resolve(events: readonly StreamEvent[]): Promise<FeatureOf>;
}

export function createFeatureNames(index: Pick<RollupIndex, 'admitFeature'>): FeatureNames {
  const known = new Map<string, ReadonlySet<string>>();
  return {
    async resolve(events) {
      const names = new Map<string, string>();
      for (const { event, arrivedAtMs } of events) {
        if (event.feature === null) continue;
        const { tenant_id: tenantId, team_id: teamId } = event;
        const team = collectionOf({ kind: 'team', tenantId, teamId });
        const day = Math.floor(momentOfEvent(event.event_time_ms, arrivedAtMs) / DAY_MS);
        const feature = featureName(event.feature);
        const key = `${day} ${team}`;
        const before = known.get(key);
        if (before === undefined || (!before.has(feature) && before.size < MAX_FEATURES)) {
          if (known.size >= MAX_KNOWN) known.clear();
          known.set(key, await index.admitFeature(team, day, feature));
        }
        const isAdmitted = known.get(key)?.has(feature) === true;
        names.set(event.request_id, isAdmitted ? feature : OTHER_FEATURES);
      }
      return (event) => (event.feature === null ? undefined : names.get(event.request_id));
    },
  };
}
