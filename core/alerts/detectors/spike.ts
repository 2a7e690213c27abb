/**
 * A team's tokens of five minutes against its own baseline for that hour of the week. Its deviation is made of how the hour
 * differs from week to week and of chance, and is never below a third: so a spike is at least twice the usual.
 */
import { type Rollup, tokensOf } from '../../rollups/amounts.ts';
import { type Finding, findingOf, rounded, worseOf } from '../finding.ts';
import { LEAST } from '../thresholds.ts';
import { type TeamView, windowAt } from '../view.ts';

export function spike(view: TeamView): Finding[] {
  const { elapsed, recent } = view;
  return worseOf(
    spikeIn(view, windowAt(recent, 0), elapsed),
    spikeIn(view, windowAt(recent, 1), 1),
  );
}

function spikeIn({ labels, overrides, usual }: TeamView, window: Rollup, share: number): Finding[] {
  const tokens = tokensOf(window);
  if (usual === undefined || tokens < LEAST.tokens) return [];
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
    numbers: { tokens, usualTokens: Math.round(expected), deviations: rounded(value) },
    summary: `${tokens} tokens in ${Math.round(share * 5)} minutes, where ${Math.round(expected)} are usual at this hour of the week`,
  });
}
