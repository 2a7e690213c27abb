/** Calls of a team to one model that limits refuse: many, and a large share of them. */
import { amountOf, type Rollup } from '../../rollups/amounts.ts';
import { type Finding, findingOf, percentOf, worseOf } from '../finding.ts';
import { LEAST } from '../thresholds.ts';
import { type TeamView, windowAt } from '../view.ts';

export function denialStorm(view: TeamView): Finding[] {
  return [...view.models].flatMap(([model, recent]) =>
    worseOf(stormIn(view, model, windowAt(recent, 0)), stormIn(view, model, windowAt(recent, 1))),
  );
}

function stormIn({ labels, overrides }: TeamView, model: string, window: Rollup): Finding[] {
  const denied = amountOf(window, 'denied');
  if (denied < LEAST.denied) return [];
  const requests = amountOf(window, 'requests');
  const percent = percentOf(denied, requests);
  return findingOf({
    kind: 'denial-storm',
    labels: { ...labels, model },
    overrides,
    value: percent,
    say: () => ({
      numbers: { denied, requests, percent },
      summary: `${denied} of ${requests} calls to the model were refused by limits within five minutes`,
    }),
  });
}
