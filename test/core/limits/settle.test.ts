import { describe, expect, it } from 'vitest';
import { parseAccount } from '../../../core/limits/account.ts';
import { planCreate } from '../../../core/limits/account-setup.ts';
import {
  type AccountWrite,
  applyWrite,
  type StoredItem,
} from '../../../core/limits/account-write.ts';
import type { Limits } from '../../../core/limits/dimensions.ts';
import { momentOf, planReserve, type ReserveRequest } from '../../../core/limits/reserve.ts';
import { type Grant, planForce, planRelease, planSettle } from '../../../core/limits/settle.ts';

const START_MS = Date.UTC(2026, 10, 20, 12);
const CALENDAR = { day: 20261120, month: 202611 };
const SECOND = START_MS / 1_000;
const MINUTE = START_MS / 60_000;
const EXPIRES = SECOND + 900;
const MARK = (EXPIRES - Date.UTC(2026, 0, 1) / 1_000).toString(36);
const EVERYTHING: Limits = {
  requestsPerSecond: 10,
  requestsPerMinute: 100,
  inputTokensPerMinute: 10_000,
  outputTokensPerMinute: 10_000,
  tokensPerMinute: 10_000,
  concurrentRequests: 5,
  tokensPerDay: 100_000,
  tokensPerMonth: 1_000_000,
  nanoUsdPerDay: 100_000,
  nanoUsdPerMonth: 1_000_000,
};
const REQUEST: ReserveRequest = {
  holdId: 'abcdefgh',
  demand: { nanoUsd: 900, inputTokens: 50, outputTokens: 20 },
  at: momentOf(START_MS, CALENDAR),
  expiresAtSeconds: EXPIRES,
  owner: { kind: 'lead', requestId: 'req_1', alias: 'chat' },
};
const ACTUAL = { nanoUsd: 300, inputTokens: 40, outputTokens: 7 };
const SETTLED = { sn202611: 1, si202611: 40, so202611: 7, su202611: 300 };
const NOTHING = { nanoUsd: 0, inputTokens: 0, outputTokens: 0 };

function later(ms: number) {
  return momentOf(START_MS + ms, CALENDAR);
}

function empty(plan: Limits = EVERYTHING): StoredItem {
  return applied(undefined, planCreate({ limits: plan, policyVersion: 1 }));
}

function applied(item: StoredItem | undefined, write: AccountWrite): StoredItem {
  const next = applyWrite(item, write);
  if (next === undefined) throw new Error('refused');
  return next;
}

function grantOf(plan: Limits = EVERYTHING): Grant {
  return { request: REQUEST, plan };
}

function held(plan: Limits = EVERYTHING): StoredItem {
  return applied(empty(plan), planReserve(REQUEST, plan));
}

/** Every counter, and what the item says of holds, marks and windows; not what no call changes, nor when the last came. */
function books(item: StoredItem): StoredItem {
  const { st: _status, l: _limits, lv: _version, pv: _policy, u: _lastUsed, ...rest } = item;
  return rest;
}

const COUNTED = {
  [`rs${SECOND}`]: 1,
  [`rm${MINUTE}`]: 1,
  [`im${MINUTE}`]: 40,
  [`om${MINUTE}`]: 7,
  [`tm${MINUTE}`]: 47,
  tD20261120: 47,
  tM202611: 47,
  uD20261120: 300,
  uM202611: 300,
};
const WINDOWS = { s: SECOND, m: MINUTE, d: 20261120 };

describe('a settlement', () => {
  it('leaves every counter as if the call had asked for what it used', () => {
    const item = applied(held(), planSettle(grantOf(), ACTUAL, later(500)));
    expect(books(item)).toEqual({ h: {}, x: {}, ...WINDOWS, ...COUNTED, ...SETTLED });
  });

  it('of a call that used more than it had held charges all of it', () => {
    const more = { nanoUsd: 2_000, inputTokens: 50, outputTokens: 800 };
    const item = applied(held(), planSettle(grantOf(), more, later(500)));
    expect(item).toMatchObject({
      uM202611: 2_000,
      uD20261120: 2_000,
      [`om${MINUTE}`]: 800,
      [`tm${MINUTE}`]: 850,
      su202611: 2_000,
      so202611: 800,
    });
  });

  it('moves no counter that the account does not keep', () => {
    const plan = { nanoUsdPerMonth: 1_000_000 };
    const item = applied(held(plan), planSettle(grantOf(plan), ACTUAL, later(500)));
    expect(books(item)).toEqual({
      h: {},
      d: 20261120,
      x: {},
      tM202611: 47,
      uM202611: 300,
      ...SETTLED,
    });
  });

  it('gives windows back as long as a decision may read them, and no longer', () => {
    const rooms = (ms: number) => {
      const release = applied(held(), planRelease(grantOf(), later(ms)));
      return [release[`rs${SECOND}`], release[`rm${MINUTE}`]];
    };
    expect(rooms(1_999)).toEqual([0, 0]);
    expect(rooms(2_000)).toEqual([1, 0]);
    expect(rooms(119_999)).toEqual([1, 0]);
    expect(rooms(120_000)).toEqual([1, 1]);
  });

  it('of a doubtful hold gives windows nothing back, takes what is more, and leaves its mark', () => {
    const doubtful = { ...grantOf(), isDoubtful: true };
    const actual = { nanoUsd: 300, inputTokens: 10, outputTokens: 21 };
    const item = applied(held(), planSettle(doubtful, actual, later(500)));
    expect(item).toMatchObject({
      x: { abcdefgh: MARK },
      uM202611: 300,
      [`im${MINUTE}`]: 50,
      [`om${MINUTE}`]: 21,
      [`tm${MINUTE}`]: 70,
    });
  });

  it('happens once', () => {
    const write = planSettle(grantOf(), ACTUAL, later(500));
    expect(applyWrite(applied(held(), write), write)).toBeUndefined();
  });

  it('writes no counter that stays the same', () => {
    const { add } = planSettle(grantOf(), REQUEST.demand, later(500));
    expect(add.map(([name]) => name)).toEqual(['sn202611', 'si202611', 'so202611', 'su202611']);
    expect(planSettle(grantOf(), NOTHING, later(500)).add).not.toContainEqual(['si202611', 0]);
  });

  it('sweeps counters that nobody will read', () => {
    const old = { [`rs${SECOND - 60}`]: 3, [`rm${MINUTE - 5}`]: 9, uM202608: 77 };
    const item = { ...held(), ...old };
    const grant = { ...grantOf(), account: parseAccount(item) };
    const settled = applied(item, planSettle(grant, ACTUAL, later(500)));
    expect(books(settled)).toEqual({ h: {}, x: {}, ...WINDOWS, ...COUNTED, ...SETTLED });
  });
});

describe('a release', () => {
  it('leaves the account as if nobody had asked', () => {
    const item = applied(held(), planRelease(grantOf(), later(500)));
    const zeros = Object.fromEntries(Object.keys(COUNTED).map((name) => [name, 0]));
    expect(books(item)).toEqual({ h: {}, x: {}, ...WINDOWS, ...zeros });
  });
});

describe('a call that was admitted without the account', () => {
  it('is counted there once, and no copy of its reserve can hold any more', () => {
    const write = planForce(grantOf(), ACTUAL, later(500));
    const item = applied(empty(), write);
    expect(books(item)).toEqual({ h: {}, x: { abcdefgh: MARK }, ...COUNTED, ...SETTLED });
    expect(applyWrite(item, write)).toBeUndefined();
    expect(applyWrite(item, planReserve(REQUEST, EVERYTHING))).toBeUndefined();
  });

  it('is not counted beside its own hold, nor where there is no account', () => {
    const write = planForce(grantOf(), ACTUAL, later(500));
    expect(applyWrite(held(), write)).toBeUndefined();
    expect(applyWrite(undefined, write)).toBeUndefined();
  });

  it('writes nothing for what it did not use', () => {
    const { add } = planForce(grantOf(), NOTHING, later(500));
    expect(new Map(add)).toEqual(
      new Map([
        [`rs${SECOND}`, 1],
        [`rm${MINUTE}`, 1],
        ['sn202611', 1],
      ]),
    );
  });
});
