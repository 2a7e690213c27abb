/**
 * The registry of everything that can be limited: one row a dimension, and the row says all that the
 * engine, the headers and the docs need to know of it. It decides nothing.
 */
interface DimensionRow {
  /** Two letters: the attribute's code in the account item's limits. */
  readonly code: string;
  readonly window: 'second' | 'minute' | 'day' | 'month' | 'open';
  readonly counts: 'requests' | 'inputTokens' | 'outputTokens' | 'tokens' | 'nanoUsd';
  /** What a caller reads. */
  readonly label: string;
  /**
   * When the account is out of reach. `closed` refuses the call: what is spent stays spent, and a budget that opened once
   * has no bound. `open` lets a small allowance pass: the limit protects capacity, it comes back by itself within
   * a minute, and what passed is counted later. A scope with any closed limit is closed whole, and so is every key,
   * whose account says whether it was revoked (core/limits/outage.ts).
   */
  readonly outage: 'closed' | 'open';
}

export const DIMENSIONS = {
  requestsPerSecond: {
    code: 'rs',
    window: 'second',
    counts: 'requests',
    label: 'requests per second',
    outage: 'open',
  },
  requestsPerMinute: {
    code: 'rm',
    window: 'minute',
    counts: 'requests',
    label: 'requests per minute',
    outage: 'open',
  },
  inputTokensPerMinute: {
    code: 'im',
    window: 'minute',
    counts: 'inputTokens',
    label: 'input tokens per minute',
    outage: 'open',
  },
  outputTokensPerMinute: {
    code: 'om',
    window: 'minute',
    counts: 'outputTokens',
    label: 'output tokens per minute',
    outage: 'open',
  },
  tokensPerMinute: {
    code: 'tm',
    window: 'minute',
    counts: 'tokens',
    label: 'tokens per minute',
    outage: 'open',
  },
  concurrentRequests: {
    code: 'cr',
    window: 'open',
    counts: 'requests',
    label: 'concurrent requests',
    outage: 'open',
  },
  tokensPerDay: {
    code: 'tD',
    window: 'day',
    counts: 'tokens',
    label: 'tokens per day',
    outage: 'closed',
  },
  tokensPerMonth: {
    code: 'tM',
    window: 'month',
    counts: 'tokens',
    label: 'tokens per month',
    outage: 'closed',
  },
  nanoUsdPerDay: {
    code: 'uD',
    window: 'day',
    counts: 'nanoUsd',
    label: 'dollars per day',
    outage: 'closed',
  },
  nanoUsdPerMonth: {
    code: 'uM',
    window: 'month',
    counts: 'nanoUsd',
    label: 'dollars per month',
    outage: 'closed',
  },
} as const satisfies Record<string, DimensionRow>;

export type Dimension = keyof typeof DIMENSIONS;

export const DIMENSION_NAMES: readonly Dimension[] = [
  'requestsPerSecond',
  'requestsPerMinute',
  'inputTokensPerMinute',
  'outputTokensPerMinute',
  'tokensPerMinute',
  'concurrentRequests',
  'tokensPerDay',
  'tokensPerMonth',
  'nanoUsdPerDay',
  'nanoUsdPerMonth',
] satisfies readonly Dimension[];

/** Hard limits of one scope; a dimension that is absent is not limited. Units: the dimension's own. */
export type Limits = { readonly [D in Dimension]?: number | undefined };

/** Each limit through the function; those that become undefined are left out. */
export function mapDimensions(
  limits: Limits,
  change: (limit: number, dimension: Dimension) => number | undefined,
): Limits {
  return Object.fromEntries(
    DIMENSION_NAMES.flatMap((dimension) => {
      const limit = limits[dimension];
      const next = limit === undefined ? undefined : change(limit, dimension);
      return next === undefined ? [] : [[dimension, next]];
    }),
  );
}

/** The limits as the account item stores them. */
export function limitsToCodes(limits: Limits): Record<string, number> {
  const codes: Record<string, number> = {};
  for (const dimension of DIMENSION_NAMES) {
    const limit = limits[dimension];
    if (limit !== undefined) codes[DIMENSIONS[dimension].code] = limit;
  }
  return codes;
}

export function limitsFromCodes(codes: Readonly<Record<string, number>>): Limits {
  const limits: { [D in Dimension]?: number } = {};
  for (const dimension of DIMENSION_NAMES) {
    const limit = codes[DIMENSIONS[dimension].code];
    if (limit !== undefined) limits[dimension] = limit;
  }
  return limits;
}
