/** The incidents that are laid over the traffic, how large they are, and what finds them. */
import type { DetectorKind } from '../../../core/alerts/thresholds.ts';
import type { Random } from '../random.ts';

export const INCIDENTS = {
  /** So many times the usual, on top of it. */
  spike: { sizes: [3.5, 7], isOneAfterMs: 0, foundBy: ['spike'] },
  /** Of the team's tokens, that go to a model fifteen times as dear. */
  'premium-switch': { sizes: [0.5, 0.9], isOneAfterMs: 0, foundBy: ['premium-switch'] },
  /** Of the team's calls, that come on top from one feature. A second window makes it one. */
  'noisy-feature': {
    sizes: [4, 8],
    foundBy: ['feature-share', 'share-doubled'],
    isOneAfterMs: 300_000,
  },
  /** Of the team's calls, that are refused on top by one model. */
  'denial-storm': { sizes: [1, 4], isOneAfterMs: 0, foundBy: ['denial-storm'] },
} as const satisfies Record<
  string,
  {
    sizes: readonly [number, number];
    foundBy: readonly DetectorKind[];
    /** By the detector's own definition, after its begin. */
    isOneAfterMs: number;
  }
>;

export type InjectedKind = keyof typeof INCIDENTS;

export const INJECTED_KINDS: readonly InjectedKind[] = [
  'spike',
  'premium-switch',
  'noisy-feature',
  'denial-storm',
];

export interface Injected {
  readonly kind: InjectedKind;
  readonly team: string;
  readonly feature: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly size: number;
}

const LASTS_MS = 30 * 60_000;

/** To the second within its window. */
export function inject(
  random: Random,
  kind: InjectedKind,
  where: Pick<Injected, 'team' | 'feature'> & { readonly windowMs: number },
): Injected {
  const [low, high] = INCIDENTS[kind].sizes;
  const fromMs = where.windowMs + random.between(0, 299) * 1000;
  return {
    kind,
    team: where.team,
    feature: where.feature,
    fromMs,
    toMs: fromMs + LASTS_MS,
    size: low + random.fraction() * (high - low),
  };
}
