/**
 * Rollups of one tenant's traffic, made directly and not of events: days and weeks have their rhythm, hours and windows
 * their noise, calls come by chance and differ in size. Incidents are laid over it.
 */
import { AMOUNTS, type Rollup } from '../../../core/rollups/amounts.ts';
import { bucketCode } from '../../../core/rollups/histogram.ts';
import type { Random } from '../random.ts';
import type { Injected } from './injected.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A Monday. */
export const BEGIN_MS = Date.UTC(2026, 8, 7);

export interface SimulatedTeam {
  readonly id: string;
  /** Of five minutes at the height of a working day. */
  readonly peakTokens: number;
  readonly tokensPerCall: number;
  readonly features: readonly Share[];
  /** The last one is premium. */
  readonly models: readonly (Share & { readonly nanoUsdPerToken: number })[];
  readonly growthPerDay: number;
  readonly peakHour: number;
}

interface Share {
  readonly name: string;
  readonly share: number;
}

export interface TeamPart {
  readonly team: Rollup;
  readonly features: ReadonlyMap<string, Rollup>;
  readonly models: ReadonlyMap<string, Rollup>;
}

export function createTeam(random: Random, id: string): SimulatedTeam {
  const features = Array.from(
    { length: random.between(3, 5) },
    () => 0.7 + 0.6 * random.fraction(),
  );
  const allFeatures = features.reduce((sum, weight) => sum + weight, 0);
  const premium = random.chance(0.3) ? random.fraction() * 0.01 : 0;
  const small = 0.5 + random.fraction() * 0.4;
  const price = 200 + random.fraction() * 2_000;
  return {
    id,
    peakTokens: 200_000 * 15 ** random.fraction(),
    tokensPerCall: 800 + random.fraction() * 3_000,
    features: features.map((weight, index) => ({ name: `f${index}`, share: weight / allFeatures })),
    models: [
      { name: 'small', share: small * (1 - premium), nanoUsdPerToken: price },
      { name: 'middle', share: (1 - small) * (1 - premium), nanoUsdPerToken: price * 3 },
      { name: 'premium', share: premium, nanoUsdPerToken: price * 15 },
    ],
    growthPerDay: (random.fraction() - 0.4) * 0.01,
    peakHour: 12 + random.fraction() * 5,
  };
}

/** Tokens of five minutes that are to be expected, without noise. */
export function expectedTokens(team: SimulatedTeam, atMs: number): number {
  const hour = (atMs % DAY_MS) / HOUR_MS;
  const distance = Math.min(Math.abs(hour - team.peakHour), 24 - Math.abs(hour - team.peakHour));
  const daily = 0.12 + 0.88 * Math.exp(-(distance ** 2) / 18);
  const isWeekend = [0, 6].includes(new Date(atMs).getUTCDay());
  const growth = (1 + team.growthPerDay) ** ((atMs - BEGIN_MS) / DAY_MS);
  return team.peakTokens * daily * (isWeekend ? 0.35 : 1) * growth;
}

export interface Span {
  readonly atMs: number;
  readonly minutes: number;
  /** Of the hour and the day, which all its windows share. */
  readonly level: number;
}

/** What a team uses in a span of at most five minutes; an incident counts for the share of the span that it covers. */
export function teamPart(
  team: SimulatedTeam,
  { atMs, minutes, level }: Span,
  { random, incident }: { readonly random: Random; readonly incident: Injected | undefined },
): TeamPart {
  const covered = incident === undefined ? 0 : coveredBy(incident, { atMs, minutes });
  const mean = expectedTokens(team, atMs) * level * (minutes / 5);
  const amount =
    mean * Math.exp(0.12 * gaussian(random)) * (1 + covered * times(incident, 'spike'));
  const calls = chance(random, amount / team.tokensPerCall);
  const features = new Map<string, Rollup>();
  for (const { name, share } of team.features) {
    const isNoisy = covered > 0 && incident?.kind === 'noisy-feature' && name === incident.feature;
    const extra = isNoisy ? covered * incident.size : 0;
    const own = calls * (share * Math.exp(0.15 * gaussian(random)) + extra);
    features.set(name, callsRollup(random, team, own));
  }
  const all = sumRollups(features.values());
  const denied =
    covered > 0 && incident?.kind === 'denial-storm'
      ? Math.round(calls * covered * incident.size)
      : 0;
  const switched = covered > 0 && incident?.kind === 'premium-switch' ? covered * incident.size : 0;
  const models = new Map<string, Rollup>();
  for (const [index, { name, share, nanoUsdPerToken }] of team.models.entries()) {
    const isPremium = index === team.models.length - 1;
    const part = isPremium ? share + switched * (1 - share) : share * (1 - switched);
    if (part === 0) continue;
    models.set(
      name,
      modelRollup(all, { part, nanoUsdPerToken, isPremium, denied: index === 0 ? denied : 0 }),
    );
  }
  return { team: sumRollups(models.values()), features, models };
}

function times(incident: Injected | undefined, kind: Injected['kind']): number {
  return incident?.kind === kind ? incident.size : 0;
}

function coveredBy(
  { fromMs, toMs }: Injected,
  { atMs, minutes }: Pick<Span, 'atMs' | 'minutes'>,
): number {
  const length = minutes * 60_000;
  return Math.max(0, Math.min(toMs, atMs + length) - Math.max(fromMs, atMs)) / length;
}

function callsRollup(random: Random, team: SimulatedTeam, wanted: number): Rollup {
  const calls = chance(random, wanted);
  // Calls are log-normal with a deviation of 0.8: the mean square is 1.9 times the square of the mean.
  const noise = calls === 0 ? 0 : 1 + (0.95 / Math.sqrt(calls)) * gaussian(random);
  const tokens = Math.max(0, Math.round(calls * team.tokensPerCall * noise));
  return {
    [AMOUNTS.requests]: calls,
    [AMOUNTS.inputTokens]: tokens,
    [AMOUNTS.squaredTokens]: calls * 1.9 * (team.tokensPerCall / 100) ** 2,
  };
}

interface ModelPart {
  readonly part: number;
  readonly nanoUsdPerToken: number;
  readonly isPremium: boolean;
  readonly denied: number;
}

function modelRollup(all: Rollup, { part, nanoUsdPerToken, isPremium, denied }: ModelPart): Rollup {
  const tokens = (all[AMOUNTS.inputTokens] ?? 0) * part;
  const nanoUsd = tokens * nanoUsdPerToken;
  return {
    [AMOUNTS.requests]: Math.round((all[AMOUNTS.requests] ?? 0) * part) + denied,
    [AMOUNTS.denied]: denied,
    [AMOUNTS.inputTokens]: Math.round(tokens),
    [AMOUNTS.squaredTokens]: (all[AMOUNTS.squaredTokens] ?? 0) * part,
    [AMOUNTS.nanoUsd]: Math.round(nanoUsd),
    ...(isPremium
      ? {
          [AMOUNTS.premiumTokens]: Math.round(tokens),
          [AMOUNTS.premiumNanoUsd]: Math.round(nanoUsd),
        }
      : {}),
  };
}

/** What detectors of a whole tenant look at: a share of its calls fails, is slow, or is retried. */
export function wholeOf(random: Random, teams: Rollup): Rollup {
  const calls = (teams[AMOUNTS.requests] ?? 0) - (teams[AMOUNTS.denied] ?? 0);
  const errors = Math.min(calls, chance(random, calls * 0.006));
  return {
    ...teams,
    [AMOUNTS.errors]: errors,
    [AMOUNTS.retried]: Math.min(calls, chance(random, calls * 0.01)),
    [AMOUNTS.estimated]: Math.min(calls, chance(random, calls * 0.004)),
    ...Object.fromEntries(
      LATENCIES.map(([code, share]) => [code, chance(random, (calls - errors) * share)]),
    ),
  };
}

/** Log-normal around 1.5 seconds. */
const LATENCIES = [
  [bucketCode('latency', 300), 0.05],
  [bucketCode('latency', 700), 0.2],
  [bucketCode('latency', 1_400), 0.4],
  [bucketCode('latency', 3_000), 0.27],
  [bucketCode('latency', 6_000), 0.08],
] as const;

export function sumRollups(rollups: Iterable<Rollup>): Rollup {
  const sums: Record<string, number> = {};
  for (const rollup of rollups)
    for (const code in rollup) sums[code] = (sums[code] ?? 0) + (rollup[code] ?? 0);
  return sums;
}

/** A number of calls around the mean, as they come by chance. */
function chance(random: Random, mean: number): number {
  return Math.max(0, Math.round(mean + Math.sqrt(mean) * gaussian(random)));
}

export function gaussian(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.fraction()));
  return radius * Math.cos(2 * Math.PI * random.fraction());
}
