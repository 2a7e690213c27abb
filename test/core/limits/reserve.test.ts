import { describe, expect, it } from 'vitest';
import { encodeHold, encodeMark, parseAccount } from '../../../core/limits/account.ts';
import { planCreate } from '../../../core/limits/account-setup.ts';
import { applyWrite, type StoredItem } from '../../../core/limits/account-write.ts';
import type { Moment } from '../../../core/limits/denial.ts';
import {
  holdOf,
  judgeReserve,
  planReserve,
  type ReserveRequest,
  staleEntries,
} from '../../../core/limits/reserve.ts';
import type { LimitPlan } from '../../../core/limits/schedule.ts';

const SECOND = Date.UTC(2026, 10, 20, 12) / 1_000;
const MINUTE = SECOND / 60;
const NOW: Moment = {
  nowMs: SECOND * 1_000,
  cameMs: SECOND * 1_000,
  second: SECOND,
  minute: MINUTE,
  day: 20261120,
  month: 202611,
};
const REQUEST: ReserveRequest = {
  holdId: 'abcdefgh',
  demand: { nanoUsd: 900, inputTokens: 50, outputTokens: 20 },
  at: NOW,
  expiresAtSeconds: SECOND + 900,
  owner: { kind: 'lead', requestId: 'req_1', alias: 'chat' },
};
const HOLD = holdOf(REQUEST, {});

function item(limits: LimitPlan, extra: StoredItem = {}): StoredItem {
  return { ...applyWrite(undefined, planCreate({ limits, policyVersion: 1 })), ...extra };
}

const account = (limits: LimitPlan, extra: StoredItem = {}) => parseAccount(item(limits, extra));

describe('what an item keeps for nobody any more', () => {
  const stale = (extra: StoredItem, at = NOW): string[] =>
    staleEntries(account({ nanoUsdPerDay: 1_000 }, extra), at).map((path) => path.join(' '));
  const monthsOf = (...months: number[]) =>
    Object.fromEntries(months.map((month) => [`uM${month}`, 1]));
  const daysOf = (...days: number[]) => Object.fromEntries(days.map((day) => [`uD${day}`, 1]));

  it('are windows before the one before the latest that anybody counted in', () => {
    const seconds = {
      s: SECOND,
      [`rs${SECOND - 2}`]: 1,
      [`rs${SECOND - 1}`]: 1,
      [`rs${SECOND}`]: 1,
    };
    expect(stale(seconds)).toEqual([`rs${SECOND - 2}`]);
    const minutes = {
      m: MINUTE,
      [`tm${MINUTE - 2}`]: 1,
      [`tm${MINUTE - 1}`]: 1,
      [`tm${MINUTE}`]: 1,
    };
    expect(stale(minutes)).toEqual([`tm${MINUTE - 2}`]);
  });

  it('are months before the last one', () => {
    expect(stale(monthsOf(202609, 202610, 202611, 202612))).toEqual(['uM202609']);
  });

  it('are months before December, in January', () => {
    const january = { ...NOW, day: 20270101, month: 202701 };
    expect(stale(monthsOf(202611, 202612, 202701), january)).toEqual(['uM202611']);
  });

  it('are days before the last one that has a counter, however long ago that is', () => {
    expect(stale(daysOf(20261101, 20261115, 20261120, 20261121))).toEqual(['uD20261101']);
    expect(stale(daysOf(20261115))).toEqual([]);
  });

  it('are not the days and months of open holds', () => {
    const old = encodeHold({ ...HOLD, day: 20260830, countsDay: true });
    const counters = { ...daysOf(20260829, 20260830, 20261119), ...monthsOf(202607, 202608) };
    expect(stale({ ...counters, h: { abcdefgh: old } }).sort()).toEqual(['uD20260829', 'uM202607']);
  });

  it('are marks of what was told in such months, and never those of windows', () => {
    const marks = { al202608_80: 9, al202611_80: 9, 'rs0!': 9, 'uM202608!': 9 };
    expect(stale(marks)).toEqual(['uM202608!']);
  });

  it('are names that no hold may be made under, five seconds after the hold would have expired', () => {
    const voided = (expires: number) => stale({ x: { abcdefgh: encodeMark(expires) } });
    expect(voided(SECOND - 5)).toEqual(['x abcdefgh']);
    expect(voided(SECOND - 4)).toEqual([]);
  });

  it('are taken out by the write that reserves, at most 24 at a time', () => {
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`uM${202001 + n}`, 1]));
    expect(stale(many)).toHaveLength(24);
    const seen = account({}, many);
    expect(planReserve(REQUEST, {}, seen).remove).toHaveLength(24);
    expect(planReserve(REQUEST, {}).remove).toEqual([]);
  });
});

describe('a refused reserve', () => {
  const judge = (limits: LimitPlan, extra: StoredItem = {}) =>
    judgeReserve(account(limits, extra), REQUEST);

  it('is held where an earlier attempt of the same request made the hold', () => {
    expect(judge({}, { h: { abcdefgh: encodeHold(HOLD) } })).toEqual({ kind: 'held' });
  });

  it('collides with another request of the same name, and with a name that was given up', () => {
    const other = encodeHold({ ...HOLD, nanoUsd: 901 });
    expect(judge({}, { h: { abcdefgh: other } })).toEqual({ kind: 'collision' });
    const mark = encodeMark(SECOND + 900);
    expect(judge({}, { x: { abcdefgh: mark } })).toEqual({ kind: 'collision' });
  });

  it('names a status that is not active before any limit', () => {
    const spent = { st: 'suspended', uM202611: 5_000 };
    expect(judge({ nanoUsdPerMonth: 1_000 }, spent)).toEqual({
      kind: 'inactive',
      status: 'suspended',
    });
  });

  it('is tried again with the limits of the item and the windows of the latest writer', () => {
    const limits = { requestsPerSecond: 10, nanoUsdPerMonth: 10_000 };
    expect(judge(limits, { s: SECOND + 3 })).toEqual({
      kind: 'retry',
      request: { ...REQUEST, at: { ...NOW, second: SECOND + 3 } },
      plan: limits,
    });
  });

  it('names the reason that lasts longest: too large, then spent, then the longest wait', () => {
    const used = { s: SECOND, m: MINUTE, [`rs${SECOND}`]: 1, [`rm${MINUTE}`]: 1, uM202611: 1_000 };
    const rates = { requestsPerSecond: 1, requestsPerMinute: 1 };
    expect(judge(rates, used)).toMatchObject({ dimension: 'requestsPerMinute' });
    const budget = { ...rates, nanoUsdPerMonth: 1_000 };
    expect(judge(budget, used)).toMatchObject({ dimension: 'nanoUsdPerMonth', reason: 'spent' });
    const narrow = { ...budget, outputTokensPerMinute: 19 };
    expect(judge(narrow, used)).toMatchObject({
      dimension: 'outputTokensPerMinute',
      reason: 'too-large',
    });
  });
});

describe('the write that reserves', () => {
  it('moves no counter by nothing, and those of the day only where a day is limited', () => {
    const free = { ...REQUEST, demand: { nanoUsd: 0, inputTokens: 50, outputTokens: 20 } };
    expect(Object.fromEntries(planReserve(free, {}).add.map(([name, by]) => [name, by]))).toEqual({
      tM202611: 70,
    });
    const daily = planReserve(REQUEST, { tokensPerDay: 1_000 });
    expect(daily.add).toEqual(
      expect.arrayContaining([
        ['tD20261120', 70],
        ['uD20261120', 900],
        ['tM202611', 70],
        ['uM202611', 900],
      ]),
    );
    expect(daily.add).toHaveLength(4);
  });

  it('says when a key was used, and nothing of the kind elsewhere', () => {
    const used = (owner: ReserveRequest['owner']) =>
      planReserve({ ...REQUEST, owner }, {}).set.filter(([[name]]) => name === 'u');
    expect(used(REQUEST.owner)).toEqual([[['u'], MINUTE]]);
    expect(used({ kind: 'sibling', leadAccount: 'key/k' })).toEqual([]);
  });

  it('moves the clock of the windows that the plan limits, and of no others', () => {
    const clocks = (limits: LimitPlan) =>
      planReserve(REQUEST, limits).set.flatMap(([[name]]) =>
        name === 's' || name === 'm' ? [name] : [],
      );
    expect(clocks({ requestsPerSecond: 1 })).toEqual(['s']);
    expect(clocks({ tokensPerMinute: 100 })).toEqual(['m']);
    expect(clocks({ nanoUsdPerMonth: 1_000 })).toEqual([]);
  });

  it('fits where the rest is exactly what the call may take, and not one less', () => {
    const applied = (uM202611: number, nanoUsdPerMonth: number) => {
      const limits = { nanoUsdPerMonth };
      return applyWrite(item(limits, { uM202611 }), planReserve(REQUEST, limits)) !== undefined;
    };
    expect(applied(100, 1_000)).toBe(true);
    expect(applied(101, 1_000)).toBe(false);
    expect(applied(0, 899)).toBe(false);
  });
});
