/** A feature's share of its tenant's tokens doubles within ten minutes, up to a share that others feel. */
import { amountOf, tokensOf } from '../../rollups/amounts.ts';
import { type Finding, findingOf, percentOf, rounded, worseOf } from '../finding.ts';
import { LEAST } from '../thresholds.ts';
import { MOST_OF_A_WINDOW, type Recent, type TeamView, windowAt } from '../view.ts';

const LEAST_PERCENT = 40;
/** Below it a share before is taken as this much: twice nothing is nothing. */
const LEAST_PERCENT_BEFORE = 10;
const WINDOWS_BETWEEN = 2;

export function shareDoubled(view: TeamView): Finding[] {
  return [...view.features].flatMap(([feature, recent]) => {
    if (view.dedicated.has(feature)) return [];
    const running = view.elapsed >= MOST_OF_A_WINDOW ? doubledIn(view, feature, recent, 0) : [];
    return worseOf(running, doubledIn(view, feature, recent, 1));
  });
}

function doubledIn(view: TeamView, feature: string, recent: Recent, index: number): Finding[] {
  const now = windowAt(recent, index);
  const tokens = tokensOf(now);
  const all = windowAt(view.tenant, index);
  const allBefore = windowAt(view.tenant, index + WINDOWS_BETWEEN);
  const calls = Math.min(amountOf(all, 'requests'), amountOf(allBefore, 'requests'));
  const percent = percentOf(tokens, tokensOf(all));
  if (calls < LEAST.requests || tokens < LEAST.tokens || percent < LEAST_PERCENT) return [];
  const before = windowAt(recent, index + WINDOWS_BETWEEN);
  const percentBefore = percentOf(tokensOf(before), tokensOf(allBefore));
  const value = rounded(percent / Math.max(LEAST_PERCENT_BEFORE, percentBefore));
  return findingOf({
    kind: 'share-doubled',
    labels: { ...view.labels, feature },
    overrides: view.overrides,
    value,
    numbers: { percent, percentBefore, tokens },
    summary: `the feature's share of its tenant's tokens went from ${percentBefore} % to ${percent} % within ten minutes`,
  });
}
