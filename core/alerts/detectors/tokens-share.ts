/** A feature's share of its tenant's tokens in one window, and how far chance may have moved it. */
import { amountOf, type Rollup, tokensOf } from '../../rollups/amounts.ts';
import { percentOf } from '../finding.ts';
import { LEAST } from '../thresholds.ts';
import { type Recent, windowAt } from '../view.ts';

export interface TokensShare {
  readonly percent: number;
  /** One and a half standard deviations, in points of percent: calls come one by one and are of different sizes. */
  readonly chance: number;
}

/** Undefined where too little was called to speak of shares. */
export function tokensShare(tenant: Recent, own: Rollup, index: number): TokensShare | undefined {
  const all = windowAt(tenant, index);
  const tokens = tokensOf(all);
  if (amountOf(all, 'requests') < LEAST.requests || tokens < LEAST.tokens) return undefined;
  const deviation = 150 * Math.sqrt(amountOf(own, 'squaredTokens'));
  return { percent: percentOf(tokensOf(own), tokens), chance: percentOf(deviation, tokens) };
}
