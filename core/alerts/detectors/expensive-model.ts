/**
 * A team whose tokens cost a multiple of what they used to: it moved to a dearer model, and the finding names the one that
 * takes most. Premium tokens are left out on both sides; core/alerts/detectors/premium-switch.ts has those.
 */
import { amountOf, type Rollup, tokensOf } from '../../rollups/amounts.ts';
import { type Finding, findingOf, rounded, worseOf } from '../finding.ts';
import { LEAST } from '../thresholds.ts';
import { type TeamView, windowAt } from '../view.ts';

export function expensiveModel(view: TeamView): Finding[] {
  return worseOf(dearIn(view, 0), dearIn(view, 1));
}

function dearIn({ labels, overrides, usual, recent, models }: TeamView, index: number): Finding[] {
  const window = plainOf(windowAt(recent, index));
  const before = plainOf(usual?.together ?? {});
  if (window.cost < LEAST.nanoUsd || window.tokens < LEAST.tokens / 10) return [];
  if (before.cost === 0 || before.tokens === 0) return [];
  // Nano-dollars a token are thousandths of a dollar a million tokens.
  const usd = rounded(window.cost / window.tokens / 1000);
  const usualUsd = rounded(before.cost / before.tokens / 1000);
  const value = rounded((window.cost * before.tokens) / (window.tokens * before.cost));
  return findingOf({
    kind: 'expensive-model',
    labels,
    overrides,
    value,
    say: () => ({
      labels: { ...labels, model: dearestOf(models, index) },
      numbers: {
        times: value,
        usdPerMillionTokens: usd,
        usualUsdPerMillionTokens: usualUsd,
      },
      summary: `a million tokens cost $${usd}, where $${usualUsd} is usual`,
    }),
  });
}

function plainOf(rollup: Rollup): { readonly cost: number; readonly tokens: number } {
  return {
    cost: amountOf(rollup, 'nanoUsd') - amountOf(rollup, 'premiumNanoUsd'),
    tokens: tokensOf(rollup) - amountOf(rollup, 'premiumTokens'),
  };
}

function dearestOf(models: TeamView['models'], index: number): string | undefined {
  const costs = [...models].map(([model, recent]) => ({
    model,
    cost: plainOf(windowAt(recent, index)).cost,
  }));
  return costs.toSorted((a, b) => b.cost - a.cost)[0]?.model;
}
