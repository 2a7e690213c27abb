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
import { inParallel } from './in-parallel.ts';

const DAY_MS = 86_400_000;
/** Teams and days: 4 KB each when full. */
const MAX_KNOWN = 5_000;
const PARALLEL = 32;

export interface FeatureNames {
  resolve(events: readonly StreamEvent[]): Promise<FeatureOf>;
}

/** The features of one team in events of one day. */
interface TeamDay {
  readonly team: string;
  readonly day: number;
  readonly features: Set<string>;
  readonly requests: { readonly id: string; readonly feature: string }[];
}

export function createFeatureNames(index: Pick<RollupIndex, 'admitFeature'>): FeatureNames {
  const known = new Map<string, ReadonlySet<string>>();
  /** Those of the team that have a sum of their own, after all of these have asked for one. */
  const admit = async (key: string, { team, day, features }: TeamDay) => {
    let admitted = known.get(key);
    for (const feature of features) {
      if (admitted !== undefined && (admitted.has(feature) || admitted.size >= MAX_FEATURES))
        continue;
      admitted = await index.admitFeature(team, day, feature);
    }
    if (known.size >= MAX_KNOWN) known.clear();
    if (admitted !== undefined) known.set(key, admitted);
    return admitted;
  };
  return {
    async resolve(events) {
      const names = new Map<string, string>();
      await inParallel(teamDaysOf(events), PARALLEL, async ([key, teamDay]) => {
        const admitted = await admit(key, teamDay);
        for (const { id, feature } of teamDay.requests)
          names.set(id, admitted?.has(feature) === true ? feature : OTHER_FEATURES);
      });
      return ({ request_id: id }) => names.get(id);
    },
  };
}

function teamDaysOf(events: readonly StreamEvent[]): ReadonlyMap<string, TeamDay> {
  const teamDays = new Map<string, TeamDay>();
  for (const { event, arrivedAtMs } of events) {
    if (event.feature === null) continue;
    const { tenant_id: tenantId, team_id: teamId, request_id: id } = event;
    const team = collectionOf({ kind: 'team', tenantId, teamId });
    const day = Math.floor(momentOfEvent(event.event_time_ms, arrivedAtMs) / DAY_MS);
    const key = `${day} ${team}`;
    const teamDay = teamDays.get(key) ?? { team, day, features: new Set(), requests: [] };
    const feature = featureName(event.feature);
    teamDay.features.add(feature);
    teamDay.requests.push({ id, feature });
    teamDays.set(key, teamDay);
  }
  return teamDays;
}
