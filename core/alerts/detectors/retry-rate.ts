/** Calls that took more than one attempt: points of percent above the usual share. */
import { amountOf, type Rollup } from '../../rollups/amounts.ts';
import { type Finding, findingOf, percentOf, rounded, worseOf } from '../finding.ts';
import { LEAST } from '../thresholds.ts';
import { type WholeView, windowAt } from '../view.ts';

export function retryRate(view: WholeView): Finding[] {
  return worseOf(
    retriesIn(view, windowAt(view.recent, 0)),
    retriesIn(view, windowAt(view.recent, 1)),
  );
}

function retriesIn({ labels, overrides, usual }: WholeView, window: Rollup): Finding[] {
  const requests = sentOf(window);
  if (requests < LEAST.requests) return [];
  const percent = percentOf(amountOf(window, 'retried'), requests);
  const usualPercent =
    usual === undefined
      ? 0
      : percentOf(amountOf(usual.together, 'retried'), sentOf(usual.together));
  return findingOf({
    kind: 'retry-rate',
    labels,
    overrides,
    value: rounded(percent - usualPercent),
    say: () => ({
      numbers: { percent, usualPercent, requests },
      summary: `${percent} % of ${requests} calls within five minutes took a second attempt, where ${usualPercent} % is usual`,
    }),
  });
}

function sentOf(rollup: Rollup): number {
  return amountOf(rollup, 'requests') - amountOf(rollup, 'denied');
}
