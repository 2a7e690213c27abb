/** Calls that failed, of a provider or of a tenant: a share that is high, and a multiple of the usual one. */
import { amountOf, type Rollup } from '../../rollups/amounts.ts';
import { type Finding, findingOf, percentOf, worseOf } from '../finding.ts';
import { LEAST } from '../thresholds.ts';
import { type WholeView, windowAt } from '../view.ts';

const TIMES_USUAL = 3;

export function errorRate(view: WholeView): Finding[] {
  return worseOf(
    errorsIn(view, windowAt(view.recent, 0)),
    errorsIn(view, windowAt(view.recent, 1)),
  );
}

function errorsIn({ labels, overrides, usual }: WholeView, window: Rollup): Finding[] {
  const requests = sentOf(window);
  if (requests < LEAST.requests) return [];
  const percent = errorPercent(window);
  const usualPercent = usual === undefined ? 0 : errorPercent(usual.together);
  if (percent < TIMES_USUAL * usualPercent) return [];
  return findingOf({
    kind: 'error-rate',
    labels,
    overrides,
    value: percent,
    say: () => ({
      numbers: { percent, usualPercent, requests, errors: amountOf(window, 'errors') },
      summary: `${percent} % of ${requests} calls within five minutes failed, where ${usualPercent} % is usual`,
    }),
  });
}

function errorPercent(rollup: Rollup): number {
  return percentOf(amountOf(rollup, 'errors'), sentOf(rollup));
}

function sentOf(rollup: Rollup): number {
  return amountOf(rollup, 'requests') - amountOf(rollup, 'denied');
}
