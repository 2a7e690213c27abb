/** What calls take from a provider account, against the provider's own limits of it. Minutes are averages of their window. */
import { amountOf, type Rollup, tokensOf } from '../../rollups/amounts.ts';
import { type Finding, findingOf, percentOf, worseOf } from '../finding.ts';
import { MOST_OF_A_WINDOW, type PerMinute, type WholeView, windowAt } from '../view.ts';

const MINUTES = 5;

export function poolHeadroom(view: WholeView): Finding[] {
  const { perMinute, elapsed, recent } = view;
  if (perMinute === undefined) return [];
  const isMost = elapsed >= MOST_OF_A_WINDOW;
  return worseOf(
    isMost ? headroomIn(view, perMinute, { window: windowAt(recent, 0), share: elapsed }) : [],
    headroomIn(view, perMinute, { window: windowAt(recent, 1), share: 1 }),
  );
}

function headroomIn(
  { labels, overrides }: WholeView,
  limits: PerMinute,
  { window, share }: { readonly window: Rollup; readonly share: number },
): Finding[] {
  const used: Readonly<Record<keyof PerMinute, number>> = {
    requests: amountOf(window, 'requests') - amountOf(window, 'denied'),
    inputTokens: amountOf(window, 'inputTokens'),
    outputTokens: amountOf(window, 'outputTokens'),
    tokens: tokensOf(window),
  };
  const rows = DIMENSIONS.flatMap((dimension) => {
    const limit = limits[dimension];
    const perMinute = Math.round(used[dimension] / (MINUTES * share));
    return limit === undefined
      ? []
      : [{ dimension, limit, perMinute, percent: percentOf(perMinute, limit) }];
  });
  const [tightest] = rows.toSorted((a, b) => b.percent - a.percent);
  if (tightest === undefined) return [];
  const { dimension, limit, perMinute, percent } = tightest;
  return findingOf({
    kind: 'pool-headroom',
    labels,
    overrides,
    value: percent,
    say: () => ({
      numbers: { percent, perMinute, limitPerMinute: limit },
      summary: `${perMinute} ${WORDS[dimension]} a minute of the ${limit} that the provider allows`,
    }),
  });
}

const WORDS: Readonly<Record<keyof PerMinute, string>> = {
  requests: 'requests',
  inputTokens: 'input tokens',
  outputTokens: 'output tokens',
  tokens: 'tokens',
};

const DIMENSIONS: readonly (keyof PerMinute)[] = [
  'requests',
  'inputTokens',
  'outputTokens',
  'tokens',
];
