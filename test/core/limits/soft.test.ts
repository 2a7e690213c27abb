import { describe, expect, it } from 'vitest';
import { parseAccount } from '../../../core/limits/account.ts';
import { planCreate } from '../../../core/limits/account-setup.ts';
import { applyWrite, type StoredItem } from '../../../core/limits/account-write.ts';
import { DIMENSION_NAMES, type Limits } from '../../../core/limits/dimensions.ts';
import { momentOf } from '../../../core/limits/reserve.ts';
import type { LimitPlan } from '../../../core/limits/schedule.ts';
import { isOfPeriod, softCrossings, softMark } from '../../../core/limits/soft.ts';

const NOW_MS = Date.UTC(2026, 10, 20, 12);
const AT = momentOf(NOW_MS, { day: 20261120, month: 202611 });

function crossings(plan: LimitPlan, counters: StoredItem) {
  const item = applyWrite(undefined, planCreate({ limits: plan, policyVersion: 1 }));
  return softCrossings(parseAccount({ ...item, ...counters }), AT);
}

function soft(limits: Limits): LimitPlan {
  return { soft: limits };
}

describe('a soft limit', () => {
  it('is crossed when it is reached, and not before', () => {
    const plan = soft({ nanoUsdPerMonth: 1_000 });
    expect(crossings(plan, { uM202611: 999 })).toEqual([]);
    expect(crossings(plan, { uM202611: 1_000 })).toEqual([
      { dimension: 'nanoUsdPerMonth', period: 202611, limit: 1_000, used: 1_000 },
    ]);
  });

  it('counts in its own day, its own month, or in no period', () => {
    const plan = soft({ tokensPerDay: 5, nanoUsdPerMonth: 6, requestsPerMinute: 7 });
    const counters = { tD20261120: 8, uM202611: 9, [`rm${AT.minute}`]: 10 };
    expect(crossings(plan, counters)).toEqual([
      { dimension: 'requestsPerMinute', period: 0, limit: 7, used: 10 },
      { dimension: 'tokensPerDay', period: 20261120, limit: 5, used: 8 },
      { dimension: 'nanoUsdPerMonth', period: 202611, limit: 6, used: 9 },
    ]);
    expect(crossings(plan, { tD20261119: 8, uM202610: 9 })).toEqual([]);
  });

  it('is told until its mark ends, and again from then on', () => {
    const plan = soft({ tokensPerDay: 5 });
    const told = (untilSeconds: number) =>
      crossings(plan, { tD20261120: 8, [softMark('tokensPerDay', 20261120)]: untilSeconds }).length;
    expect(told(NOW_MS / 1_000 + 1)).toBe(0);
    expect(told(NOW_MS / 1_000)).toBe(1);
  });

  it('of yesterday that was told says nothing of today', () => {
    const marked = { tD20261120: 8, [softMark('tokensPerDay', 20261119)]: Number.MAX_SAFE_INTEGER };
    expect(crossings(soft({ tokensPerDay: 5 }), marked)).toHaveLength(1);
  });

  it('that is nothing, or that is hard, is not crossed', () => {
    expect(crossings(soft({ tokensPerDay: 0 }), { tD20261120: 8 })).toEqual([]);
    expect(crossings({ tokensPerDay: 5 }, { tD20261120: 8 })).toEqual([]);
  });

  it('has a mark with the name of its counter, and dollars and tokens have periods', () => {
    expect(softMark('nanoUsdPerMonth', 202611)).toBe('uM202611!');
    expect(DIMENSION_NAMES.filter(isOfPeriod)).toEqual([
      'tokensPerDay',
      'tokensPerMonth',
      'nanoUsdPerDay',
      'nanoUsdPerMonth',
    ]);
  });
});
