/**
 * A team's tokens of five minutes against its own baseline for that hour of the week. Its deviation is made of how the hour
 * differs from week to week and of chance, and is never below a third: so a spike is at least twice the usual.
 */
import { type Rollup, tokensOf } from '../../rollups/amounts.ts';
import { type Finding, findingOf, rounded, worseOf } from '../finding.ts';
import { type TeamView, windowAt } from '../view.ts';

export function spike(view: TeamView): Finding[] {
  const { elapsed, recent, isHourBegun } = view;
  return worseOf(
    elapsed < LEAST_ELAPSED ? [] : spikeIn(view, windowAt(recent, 0), elapsed),
    // The last window of the hour before has another baseline.
    isHourBegun ? spikeIn(view, windowAt(recent, 1), 1) : [],
  );
}

/** Some fifty calls: fewer are few enough to come together by chance. */
const LEAST_TOKENS = 150_000;
/** Two of five minutes; less is chance. */
const LEAST_ELAPSED = 0.4;

function spikeIn({ labels, overrides, usual }: TeamView, window: Rollup, share: number): Finding[] {
  const tokens = tokensOf(window);
  if (usual === undefined || tokens < LEAST_TOKENS) return [];
  const expected = usual.tokens * share;
  const deviation = Math.hypot(
    usual.relativeDeviation * expected,
    Math.sqrt(usual.chanceVariance * share),
  );
  if (deviation === 0) return [];
  const value = (tokens - expected) / deviation;
  return findingOf({
    kind: 'spike',
    labels,
    overrides,
    value,
    say: () => ({
      numbers: { tokens, usualTokens: Math.round(expected), deviations: rounded(value) },
      summary: `${tokens} tokens in ${Math.round(share * 5)} minutes, where ${Math.round(expected)} are usual at this hour of the week`,
    }),
  });
}
