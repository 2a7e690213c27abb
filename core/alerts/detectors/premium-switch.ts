/** A team that spends on premium models what it did not spend on them before. */
import { amountOf, type Rollup } from '../../rollups/amounts.ts';
import { type Finding, findingOf, percentOf, rounded, worseOf } from '../finding.ts';
import { LEAST, thresholdOf } from '../thresholds.ts';
import { type TeamView, windowAt } from '../view.ts';

/** Of the threshold: a team that was above this used premium models before. */
const WAS_NOT_USUAL = 1 / 3;

export function premiumSwitch(view: TeamView): Finding[] {
  return worseOf(
    switchIn(view, windowAt(view.recent, 0)),
    switchIn(view, windowAt(view.recent, 1)),
  );
}

function switchIn({ labels, overrides, usual }: TeamView, window: Rollup): Finding[] {
  const cost = amountOf(window, 'nanoUsd');
  const threshold = thresholdOf('premium-switch', overrides);
  if (usual === undefined || threshold === undefined || cost < LEAST.nanoUsd) return [];
  const percent = premiumPercent(window);
  const usualPercent = premiumPercent(usual.together);
  if (usualPercent > threshold.opens * WAS_NOT_USUAL) return [];
  return findingOf({
    kind: 'premium-switch',
    labels: { ...labels, tier: 'premium' },
    overrides,
    value: percent,
    say: () => ({
      numbers: {
        percent,
        usualPercent,
        spentUsd: rounded(amountOf(window, 'premiumNanoUsd') / 1e9),
      },
      summary: `${percent} % of the cost of five minutes goes to premium models, where ${usualPercent} % is usual`,
    }),
  });
}

function premiumPercent(rollup: Rollup): number {
  return percentOf(amountOf(rollup, 'premiumNanoUsd'), amountOf(rollup, 'nanoUsd'));
}
