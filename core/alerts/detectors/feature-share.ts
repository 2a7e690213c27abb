/**
 * One feature has most of its tenant's tokens in two five-minute windows in a row. A feature with limits of its own has what
 * was meant for it, and a feature that is alone in its tenant takes nothing from anybody.
 */
import { amountOf, tokensOf } from '../../rollups/amounts.ts';
import { type Finding, findingOf, percentOf, worseOf } from '../finding.ts';
import { LEAST } from '../thresholds.ts';
import { MOST_OF_A_WINDOW, type Recent, type TeamView, windowAt } from '../view.ts';

export function featureShare(view: TeamView): Finding[] {
  return [...view.features].flatMap(([feature, recent]) => {
    if (view.dedicated.has(feature)) return [];
    const running = view.elapsed >= MOST_OF_A_WINDOW ? shareIn(view, feature, recent, 0) : [];
    return worseOf(running, shareIn(view, feature, recent, 1));
  });
}

function shareIn(view: TeamView, feature: string, recent: Recent, index: number): Finding[] {
  const percents = [index, index + 1].map((at) => percentAt(view, recent, at));
  const percent = Math.min(...percents);
  const tokens = tokensOf(windowAt(recent, index)) + tokensOf(windowAt(recent, index + 1));
  return findingOf({
    kind: 'feature-share',
    labels: { ...view.labels, feature },
    overrides: view.overrides,
    value: percent,
    numbers: { percent, tokens },
    summary: `the feature takes ${percent} % of all tokens of its tenant for two windows of five minutes`,
  });
}

function percentAt({ tenant }: TeamView, recent: Recent, index: number): number {
  const all = windowAt(tenant, index);
  const own = windowAt(recent, index);
  const isAlone = amountOf(all, 'requests') <= amountOf(own, 'requests');
  if (isAlone || amountOf(all, 'requests') < LEAST.requests || tokensOf(own) < LEAST.tokens)
    return 0;
  return percentOf(tokensOf(own), tokensOf(all));
}
