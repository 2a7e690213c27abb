/** Events that make a tenant's books less than exact: usage that was estimated, had no price, or rests on a hold that expired. */
import { type Amount, amountOf, sumOf } from '../../rollups/amounts.ts';
import { type Finding, findingOf, percentOf } from '../finding.ts';
import { type DetectorKind, LEAST } from '../thresholds.ts';
import { type WholeView, windowAt } from '../view.ts';

const ROWS = [
  { kind: 'estimated-usage', amount: 'estimated', words: 'have estimated usage' },
  { kind: 'unpriced-usage', amount: 'unpriced', words: 'have no price' },
  { kind: 'expired-holds', amount: 'expired', words: 'died and are charged as they were held' },
] as const satisfies readonly { kind: DetectorKind; amount: Amount; words: string }[];

export function books({ labels, overrides, recent }: WholeView): Finding[] {
  const window = sumOf([windowAt(recent, 0), windowAt(recent, 1)]);
  const requests = amountOf(window, 'requests') - amountOf(window, 'denied');
  return ROWS.flatMap(({ kind, amount, words }) => {
    const calls = amountOf(window, amount);
    const percent = percentOf(calls, requests);
    if (calls < LEAST.faultyEvents) return [];
    return findingOf({
      kind,
      labels,
      overrides,
      value: percent,
      say: () => ({
        numbers: { percent, calls, requests },
        summary: `${calls} of ${requests} calls within ten minutes ${words}`,
      }),
    });
  });
}
