/**
 * One feature has most of its tenant's tokens in two five-minute windows in a row. A feature with limits of its own has what
 * was meant for it, and a feature that is alone in its tenant takes nothing from anybody.
 */
import { amountOf, tokensOf } from '../../rollups/amounts.ts';
import { type Finding, findingOf, rounded, worseOf } from '../finding.ts';
import { LEAST } from '../thresholds.ts';
import { MOST_OF_A_WINDOW, type Recent, type TeamView, windowAt } from '../view.ts';
import { tokensShare } from './tokens-share.ts';

export function featureShare(view: TeamView): Finding[] {
  return [...view.features].flatMap(([feature, recent]) => {
    if (view.dedicated.has(feature)) return [];
    const running = view.elapsed >= MOST_OF_A_WINDOW ? shareIn(view, feature, recent, 0) : [];
    return worseOf(running, shareIn(view, feature, recent, 1));
  });
}

function shareIn(view: TeamView, feature: string, recent: Recent, index: number): Finding[] {
  const percent = Math.min(percentAt(view, recent, index), percentAt(view, recent, index + 1));
  return findingOf({
    kind: 'feature-share',
    labels: view.labels,
    overrides: view.overrides,
    value: percent,
    say: () => ({
      labels: { ...view.labels, feature },
      numbers: {
        percent,
        tokens: tokensOf(windowAt(recent, index)) + tokensOf(windowAt(recent, index + 1)),
      },
      summary: `the feature takes more than ${percent} % of all tokens of its tenant for two windows of five minutes`,
    }),
  });
}

/** The share that the feature has for certain. */
function percentAt({ tenant }: TeamView, recent: Recent, index: number): number {
  const own = windowAt(recent, index);
  const isAlone = amountOf(windowAt(tenant, index), 'requests') <= amountOf(own, 'requests');
  if (isAlone || tokensOf(own) < LEAST.tokens) return 0;
  const share = tokensShare(tenant, own, index);
  return share === undefined ? 0 : rounded(share.percent - share.chance);
}
