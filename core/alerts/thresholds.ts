/**
 * What detectors find worth telling, each number with its reason. A team or a tenant turns a detector off or gives it
 * another threshold in its policy (`alerts.detectors`); everything beside the threshold stays as it is here.
 */
interface DetectorRow {
  /** An incident opens at or above this. */
  readonly threshold: number;
  /** Of the threshold; below this share of it an incident ends. In between it stays as it is. */
  readonly endsBelow: number;
  readonly unit: string;
  readonly severity: Severity;
}

export type Severity = 'info' | 'warning' | 'critical';

export const DETECTORS = {
  /** Three deviations, of the team's own five minutes at that hour of the week (core/alerts/baseline.ts). */
  spike: { threshold: 3, endsBelow: 0.67, unit: 'deviations', severity: 'warning' },
  /** Every fifth call of a team refused is an application that works no more, and not one that is paced. */
  'denial-storm': { threshold: 20, endsBelow: 0.5, unit: 'percent', severity: 'warning' },
  /** Of the team's cost. Below a third, premium models are an experiment and not a switch. */
  'premium-switch': { threshold: 30, endsBelow: 0.5, unit: 'percent', severity: 'warning' },
  /** The cost of a token against the team's usual one: more than the mix of calls moves it from hour to hour. */
  'expensive-model': { threshold: 3, endsBelow: 0.67, unit: 'times', severity: 'warning' },
  /** From the operators' list of what hurts: one feature has most of what all share. */
  'feature-share': { threshold: 60, endsBelow: 0.84, unit: 'percent', severity: 'warning' },
  'share-doubled': { threshold: 2, endsBelow: 0.75, unit: 'times', severity: 'info' },
  /** Above it a usual peak meets the provider's limit. */
  'pool-headroom': { threshold: 70, endsBelow: 0.86, unit: 'percent', severity: 'warning' },
  'error-rate': { threshold: 10, endsBelow: 0.5, unit: 'percent', severity: 'critical' },
  /** Twice the usual 95th percentile; buckets are twice as wide as one another. */
  latency: { threshold: 2, endsBelow: 0.75, unit: 'times', severity: 'warning' },
  'first-token': { threshold: 2, endsBelow: 0.75, unit: 'times', severity: 'warning' },
  /** Points of percent above the usual share of calls that took a second attempt. */
  'retry-rate': { threshold: 15, endsBelow: 0.5, unit: 'percent', severity: 'warning' },
  /** Estimates are how a provider that reports no usage, and callers that hang up, look in the books. */
  'estimated-usage': { threshold: 5, endsBelow: 0.5, unit: 'percent', severity: 'warning' },
  /** No budget sees a call without a price. */
  'unpriced-usage': { threshold: 1, endsBelow: 0.5, unit: 'percent', severity: 'critical' },
  /** Processes died with calls in them, which are charged at what was held. */
  'expired-holds': { threshold: 1, endsBelow: 0.5, unit: 'percent', severity: 'warning' },
  /** Of the limit, at the period's end. Five percent over is within what a straight line can say. */
  'budget-projection': { threshold: 105, endsBelow: 0.95, unit: 'percent', severity: 'warning' },
} as const satisfies Record<string, DetectorRow>;

export type DetectorKind = keyof typeof DETECTORS;

export const DETECTOR_KINDS = Object.keys(DETECTORS).filter(isDetectorKind);

function isDetectorKind(name: string): name is DetectorKind {
  return Object.hasOwn(DETECTORS, name);
}

/** Below these volumes a share or a quantile is chance. */
export const LEAST = {
  /** Calls in a window before a share of them means something. */
  requests: 30,
  denied: 20,
  /** Tokens in a window before anybody is hurt by them. */
  tokens: 100_000,
  /** Durations in a window: the 95th percentile then rests on more than two of them. */
  durations: 50,
  /** Events that say something is wrong with the books. */
  faultyEvents: 5,
  /** A tenth of a dollar in a window is 29 dollars a day. */
  nanoUsd: 100_000_000,
} as const;

/** By detector: off, on as above, or another threshold. */
export type Overrides = Readonly<Record<string, number | 'on' | 'off'>>;

/** Undefined where the detector is off. */
export function thresholdOf(
  kind: DetectorKind,
  overrides: Overrides,
): { readonly opens: number; readonly ends: number } | undefined {
  const { threshold, endsBelow } = DETECTORS[kind];
  const setting = overrides[kind] ?? 'on';
  if (setting === 'off') return undefined;
  const opens = setting === 'on' ? threshold : setting;
  return { opens, ends: opens * endsBelow };
}
