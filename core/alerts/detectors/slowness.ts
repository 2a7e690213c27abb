/** The 95th percentile of a duration in the last two windows against the usual one: whole calls, and first tokens. */
import { type Rollup, sumOf } from '../../rollups/amounts.ts';
import { quantileOf, type Timing } from '../../rollups/histogram.ts';
import { type Finding, findingOf, rounded } from '../finding.ts';
import { LEAST } from '../thresholds.ts';
import { type WholeView, windowAt } from '../view.ts';

export function latency(view: WholeView): Finding[] {
  return slowness(view, 'latency');
}

export function firstToken(view: WholeView): Finding[] {
  return slowness(view, 'ttft');
}

const WHAT = {
  latency: { kind: 'latency', words: 'whole calls take' },
  ttft: { kind: 'first-token', words: 'first tokens take' },
} as const satisfies Record<Timing, object>;

function slowness({ labels, overrides, usual, recent }: WholeView, timing: Timing): Finding[] {
  const now = p95(sumOf([windowAt(recent, 0), windowAt(recent, 1)]), timing);
  const before = p95(usual?.together ?? {}, timing);
  if (now === undefined || before === undefined) return [];
  const { kind, words } = WHAT[timing];
  return findingOf({
    kind,
    labels,
    overrides,
    value: rounded(now.ms / before.ms),
    say: () => ({
      numbers: { p95Ms: now.ms, usualP95Ms: before.ms, calls: now.count },
      summary: `${words} ${now.ms} ms at the 95th percentile, where ${before.ms} ms are usual`,
    }),
  });
}

function p95(rollup: Rollup, timing: Timing) {
  const quantile = quantileOf(rollup, timing, 0.95);
  return quantile === undefined || quantile.count < LEAST.durations ? undefined : quantile;
}
