/** A feature's share of its tenant's tokens doubles within ten minutes, up to a share that others feel. */
import { tokensOf } from '../../rollups/amounts.ts';
import { type Finding, findingOf, rounded, worseOf } from '../finding.ts';
import { LEAST } from '../thresholds.ts';
import { type Recent, type TeamView, windowAt } from '../view.ts';
import { tokensShare } from './tokens-share.ts';

const LEAST_PERCENT = 40;
/** Below it a share before is taken as this much: twice nothing is nothing. */
const LEAST_PERCENT_BEFORE = 10;
const WINDOWS_BETWEEN = 2;
/** Two of five minutes. */
const LEAST_ELAPSED = 0.4;

export function shareDoubled(view: TeamView): Finding[] {
  return [...view.features].flatMap(([feature, recent]) => {
    if (view.dedicated.has(feature)) return [];
    const running = view.elapsed >= LEAST_ELAPSED ? doubledIn(view, feature, recent, 0) : [];
    return worseOf(running, doubledIn(view, feature, recent, 1));
  });
}

function doubledIn(view: TeamView, feature: string, recent: Recent, index: number): Finding[] {
  const now = tokensShare(view.tenant, windowAt(recent, index), index);
  const tokens = tokensOf(windowAt(recent, index));
  if (now === undefined || now.percent < LEAST_PERCENT || tokens < LEAST.tokens) return [];
  const earlier = index + WINDOWS_BETWEEN;
  const before = tokensShare(view.tenant, windowAt(recent, earlier), earlier);
  if (before === undefined) return [];
  const least = now.percent - now.chance;
  const most = Math.max(LEAST_PERCENT_BEFORE, before.percent + before.chance);
  return findingOf({
    kind: 'share-doubled',
    labels: view.labels,
    overrides: view.overrides,
    value: rounded(least / most),
    say: () => ({
      labels: { ...view.labels, feature },
      numbers: {
        percent: now.percent,
        percentBefore: before.percent,
        tokens,
      },
      summary: `the feature's share of its tenant's tokens went from ${before.percent} % to ${now.percent} % within ten minutes`,
    }),
  });
}
