/**
 * How each kind of alert is played: by calls to the gateway where calls can bring it about within a minute; by usage events
 * on the stream, as the gateway writes them, where it takes volume or earlier windows; and by the alert's own event on the
 * bus where it takes a month or a mistake in the books.
 */
import type { AlertKind } from '../../core/alerts/alert.ts';
import { ALERT_DETAIL_TYPE } from '../../core/names.ts';
import type { UsageEvent } from '../../core/usage/event.ts';

/** Calls of one shape. */
export interface Group {
  readonly calls: number;
  /** Whole windows of five minutes before the running one. */
  readonly windowsAgo: number;
  readonly shape: Partial<UsageEvent>;
}

export type Play =
  | {
      readonly by: 'calls';
      readonly team: string;
      readonly model: string;
      readonly calls: number;
      readonly stream?: boolean;
      /** What was usual in the same hour of earlier days. */
      readonly history?: Partial<UsageEvent>;
    }
  | {
      readonly by: 'events';
      readonly groups: readonly Group[];
      readonly history?: Partial<UsageEvent>;
    }
  | { readonly by: 'bus'; readonly why: string; readonly detailType: string };

/** A kind of alert that nobody can see is refused by the compiler. */
export const PLAYS: Readonly<Record<AlertKind, Play>> = {
  budget: { by: 'calls', team: 'budgeted', model: 'dear', calls: 7 },
  'soft-limit': { by: 'calls', team: 'warned', model: 'dear', calls: 3 },
  'denial-storm': { by: 'calls', team: 'limited', model: 'plain', calls: 40 },
  'error-rate': { by: 'calls', team: 'search', model: 'broken', calls: 40 },
  'estimated-usage': { by: 'calls', team: 'search', model: 'breaks-off', calls: 12, stream: true },
  'premium-switch': {
    by: 'calls',
    team: 'search',
    model: 'premium',
    calls: 12,
    history: { cost_nano_usd: 1_000_000 },
  },
  spike: { by: 'events', groups: recently({ input_tokens: 9_000 }), history: {} },
  'expensive-model': {
    by: 'events',
    groups: recently({ cost_nano_usd: 20_000_000 }),
    history: { cost_nano_usd: 1_000_000 },
  },
  'feature-share': {
    by: 'events',
    groups: [
      ...recently({ feature: 'answers', input_tokens: 9_000 }),
      ...recently({ feature: 'summaries' }),
      ...recently({ feature: 'answers', input_tokens: 9_000 }, 2),
      ...recently({ feature: 'summaries' }, 2),
    ],
  },
  'share-doubled': {
    by: 'events',
    groups: [
      ...recently({ feature: 'answers', input_tokens: 9_000 }),
      ...recently({ feature: 'summaries' }),
      ...recently({ feature: 'answers' }, 3),
      ...recently({ feature: 'summaries', input_tokens: 9_000 }, 3),
    ],
  },
  'pool-headroom': {
    by: 'events',
    groups: [{ calls: 450, windowsAgo: 1, shape: { pool: 'narrow', provider: 'narrow' } }],
  },
  latency: { by: 'events', groups: recently({ duration_ms: 9_000 }), history: {} },
  'first-token': { by: 'events', groups: recently({ ttft_ms: 4_000 }), history: {} },
  'retry-rate': { by: 'events', groups: recently({ attempts: 2 }), history: {} },
  'unpriced-usage': { by: 'events', groups: recently({ price_version: null }) },
  'expired-holds': { by: 'events', groups: recently({ outcome: 'expired', estimated: true }) },
  'budget-projection': {
    by: 'bus',
    why: 'whether a budget lasts depends on the day of the month',
    detailType: ALERT_DETAIL_TYPE.incident,
  },
  'books-differ': {
    by: 'bus',
    why: 'it takes a mistake in the books, which are compared at night',
    detailType: ALERT_DETAIL_TYPE.booksDiffer,
  },
};

/** The windows before the running one are whole, so that nothing has to be waited for. */
function recently(shape: Partial<UsageEvent>, windowsAgo = 1): Group[] {
  return [{ calls: 60, windowsAgo, shape }];
}

export function busDetail(detailType: string, nowMs: number): Readonly<Record<string, unknown>> {
  const now = new Date(nowMs).toISOString();
  if (detailType === ALERT_DETAIL_TYPE.booksDiffer)
    return {
      scope: 'tenant acme',
      period: now.slice(0, 7),
      verdict: 'different',
      differenceUsd: '1.25',
      differenceTokens: 1_250,
      explanation: 'the ledger lacks calls that the accounts have',
      requests: 'req_demo',
      time: now,
    };
  return {
    kind: 'budget-projection',
    severity: 'warning',
    state: 'opened',
    tenant: 'acme',
    team: 'budgeted',
    owner: 'budgeted-lead@example.com',
    since: now,
    numbers: { percent: 140, spentUsd: 70, limitUsd: 100 },
    summary: '70 of 100 US dollars are spent, which comes to 140 % by the end of the month',
    runbook: 'docs/runbook.md#budget-projection',
    command: 'npm run athena -- month-to-date # look for acme',
    deduplicationId: `demo/budget-projection/${nowMs}`,
  };
}
