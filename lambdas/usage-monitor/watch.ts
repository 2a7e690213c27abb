/** Looks at one scope: reads its rollups and what they are compared with, and asks the detectors. */
import { whoAnswers } from '../../core/alerts/answers.ts';
import { referenceHours, type Usual, usualAt } from '../../core/alerts/baseline.ts';
import { detectTeam, detectWhole } from '../../core/alerts/detect.ts';
import { type Found, labelsOf } from '../../core/alerts/incidents.ts';
import type { WatchedScope } from '../../core/alerts/targets.ts';
import {
  momentOfView,
  type PerMinute,
  RECENT_WINDOWS,
  type Recent,
} from '../../core/alerts/view.ts';
import type { PolicySnapshot, Provider } from '../../core/catalog/snapshot.ts';
import type { Clock, EpochMs } from '../../core/clock.ts';
import { limitsAt } from '../../core/limits/schedule.ts';
import { EMPTY, type Rollup } from '../../core/rollups/amounts.ts';
import type { StoredRollup } from '../../core/rollups/rollup-reader.ts';
import { featureName, nameOfMember, subjectKey, WHOLE } from '../../core/rollups/subjects.ts';
import { GRANULARITIES, windowStart } from '../../core/rollups/windows.ts';
import { teamKey } from '../../core/tenancy/scopes.ts';
import type { Rollups } from '../adapters/rollups.ts';

export interface WatchOptions {
  readonly rollups: Pick<Rollups, 'readCollection' | 'readHours'>;
  readonly clock: Clock;
}

export interface Watch {
  look(scope: WatchedScope, policy: PolicySnapshot): Promise<Found[]>;
}

/** About 2 KB each. */
const MAX_USUAL = 5_000;

export function createWatch({ rollups, clock }: WatchOptions): Watch {
  const known = new Map<string, { readonly hourMs: EpochMs; readonly usual: Usual | undefined }>();

  async function usualOf(scope: WatchedScope, nowMs: EpochMs): Promise<Usual | undefined> {
    const key = subjectKey(scope);
    const hourMs = windowStart('hour', nowMs);
    const cached = known.get(key);
    if (cached?.hourMs === hourMs) return cached.usual;
    const hours = await rollups.readHours(scope, referenceHours(nowMs));
    const usual = usualAt(hours, nowMs);
    if (known.size >= MAX_USUAL) known.clear();
    known.set(key, { hourMs, usual });
    return usual;
  }
  async function members(scope: WatchedScope, nowMs: EpochMs): Promise<Map<string, Recent>> {
    const { lengthMs } = GRANULARITIES.fiveMinutes;
    const toMs = windowStart('fiveMinutes', nowMs);
    const fromMs = toMs - (RECENT_WINDOWS - 1) * lengthMs;
    const range = { granularity: 'fiveMinutes', fromMs, toMs } as const;
    return recentByMember(await rollups.readCollection(scope, range), toMs);
  }
  return {
    async look(scope, policy) {
      const nowMs = clock.nowMs();
      const [own, usual] = await Promise.all([members(scope, nowMs), usualOf(scope, nowMs)]);
      const labels = labelsOf(scope);
      const { owner, overrides } = whoAnswers(policy, labels);
      const view = {
        labels,
        overrides,
        ...momentOfView(nowMs),
        recent: own.get(WHOLE) ?? [],
        usual,
      };
      const found = (findings: readonly Found['finding'][]) =>
        findings.map((finding) => ({ finding, scope, owner }));
      if (scope.kind !== 'team') {
        const provider = scope.kind === 'pool' ? policy.providers[scope.providerId] : undefined;
        return found(detectWhole({ ...view, perMinute: provider && ownLimits(provider, nowMs) }));
      }
      const tenant = await members({ kind: 'tenant', tenantId: scope.tenantId }, nowMs);
      const team = policy.teams[teamKey(scope.tenantId, scope.teamId)];
      const dedicated = new Set(Object.keys(team?.featureLimits ?? {}).map(featureName));
      const parts = { ...partsOf(own), tenant: tenant.get(WHOLE) ?? [], dedicated };
      return found(detectTeam({ ...view, ...parts }));
    },
  };
}

function recentByMember(stored: readonly StoredRollup[], runningMs: EpochMs): Map<string, Recent> {
  const { lengthMs } = GRANULARITIES.fiveMinutes;
  const byMember = new Map<string, Rollup[]>();
  for (const { member, startMs, rollup } of stored) {
    const windows = byMember.get(member) ?? Array.from({ length: RECENT_WINDOWS }, () => EMPTY);
    windows[(runningMs - startMs) / lengthMs] = rollup;
    byMember.set(member, windows);
  }
  return byMember;
}

function partsOf(members: ReadonlyMap<string, Recent>) {
  const features = new Map<string, Recent>();
  const models = new Map<string, Recent>();
  for (const [member, recent] of members) {
    const part = nameOfMember(member);
    if (part !== undefined) (part.kind === 'feature' ? features : models).set(part.name, recent);
  }
  return { features, models };
}

/** What the provider allows; the policy's limits of the pool are a part of it. */
function ownLimits({ limits, useAtMostPercent = 100 }: Provider, nowMs: EpochMs): PerMinute {
  const now = limits === undefined ? {} : limitsAt(limits, nowMs);
  const whole = (limit: number | undefined) =>
    limit === undefined ? undefined : Math.round((limit * 100) / useAtMostPercent);
  return {
    requests: whole(now.requestsPerMinute),
    inputTokens: whole(now.inputTokensPerMinute),
    outputTokens: whole(now.outputTokensPerMinute),
    tokens: whole(now.tokensPerMinute),
  };
}
