import { describe, expect, it } from 'vitest';
import { encodeHold, type Hold, parseAccount } from '../../../core/limits/account.ts';
import { planCreate } from '../../../core/limits/account-setup.ts';
import { applyWrite, type StoredItem } from '../../../core/limits/account-write.ts';
import { planPost } from '../../../core/limits/posted.ts';
import {
  expiredHolds,
  planForget,
  planRelease,
  planUndo,
  planVoid,
} from '../../../core/limits/reap.ts';

const EXPIRES = Date.UTC(2026, 10, 20, 12, 15) / 1_000;
const GRACE = 5;
const MARK = (EXPIRES - Date.UTC(2026, 0, 1) / 1_000).toString(36);
const HOLD: Hold = {
  nanoUsd: 900,
  inputTokens: 50,
  outputTokens: 20,
  expiresAtSeconds: EXPIRES,
  day: 20261120,
  countsDay: true,
  owner: { kind: 'lead', requestId: 'req_1', alias: 'chat' },
};
const OPEN = { id: 'abcdefgh', hold: HOLD };
const COUNTERS = { tM202611: 100, uM202611: 1_000, tD20261120: 90, uD20261120: 950 };

function account(extra: StoredItem = {}): StoredItem {
  const limits = { nanoUsdPerDay: 10_000 };
  const item = applyWrite(undefined, planCreate({ limits, policyVersion: 1 }));
  return { ...item, h: { abcdefgh: encodeHold(HOLD) }, ...COUNTERS, ...extra };
}

describe('an expired hold', () => {
  it('is one from five seconds after its end, because clocks disagree', () => {
    const at = (seconds: number) => expiredHolds(parseAccount(account()), EXPIRES + seconds);
    expect(at(GRACE - 1)).toEqual([]);
    expect(at(GRACE)).toEqual([OPEN]);
  });

  it('that is released gives back every sum of its periods, once', () => {
    const released = applyWrite(account(), planRelease(OPEN));
    expect(released).toEqual({
      ...account(),
      h: {},
      tM202611: 30,
      uM202611: 100,
      tD20261120: 20,
      uD20261120: 50,
    });
    expect(applyWrite(released, planRelease(OPEN))).toBeUndefined();
  });

  it('leaves the days alone where its account kept none when it was made', () => {
    const monthly = { id: 'abcdefgh', hold: { ...HOLD, countsDay: false } };
    const released = applyWrite(account(), planRelease(monthly));
    expect(released).toEqual({ ...account(), h: {}, tM202611: 30, uM202611: 100 });
  });

  it('without money or tokens writes no sums', () => {
    const free = { ...HOLD, nanoUsd: 0, inputTokens: 0, outputTokens: 0 };
    expect(planRelease({ id: 'abcdefgh', hold: free }).add).toEqual([]);
    const [ofAccount] = planPost(
      'team/acme/search',
      { id: 'abcdefgh', hold: free },
      { nowSeconds: EXPIRES + 60, parts: [] },
    );
    expect(ofAccount?.write.add).toEqual([['sn202611', 1]]);
  });

  it('that is posted moves to the settled sums of its month, whole', () => {
    const [ofAccount] = planPost('key/vk_1', OPEN, { nowSeconds: EXPIRES + 60, parts: [] });
    if (ofAccount === undefined) throw new Error('nothing is written');
    expect(applyWrite(account(), ofAccount.write)).toEqual({
      ...account(),
      h: {},
      sn202611: 1,
      si202611: 50,
      so202611: 20,
      su202611: 900,
    });
  });

  it('of a copy of a reserve is given back and marked', () => {
    const undone = applyWrite(account(), planUndo(OPEN));
    expect(undone).toMatchObject({ h: {}, x: { abcdefgh: MARK }, uM202611: 100 });
  });
});

describe('a mark', () => {
  it('is made once, where there is an account and no such hold', () => {
    const write = planVoid('stranger', EXPIRES);
    const marked = applyWrite(account(), write);
    expect(marked).toEqual({ ...account(), x: { stranger: MARK } });
    expect(applyWrite(marked, write)).toBeUndefined();
    expect(applyWrite(account(), planVoid('abcdefgh', EXPIRES))).toBeUndefined();
    expect(applyWrite(undefined, write)).toBeUndefined();
  });

  it('is forgotten when nobody makes such a hold any more', () => {
    const item = account({ x: { old: MARK, young: (Number.parseInt(MARK, 36) + 1).toString(36) } });
    const forget = planForget(parseAccount(item), EXPIRES + GRACE);
    if (forget === undefined) throw new Error('nothing is forgotten');
    expect(applyWrite(item, forget)).toEqual({ ...item, x: { young: expect.any(String) } });
    expect(applyWrite(undefined, forget)).toBeUndefined();
    expect(planForget(parseAccount(item), EXPIRES + GRACE - 1)).toBeUndefined();
  });

  it('goes with fifty others at most, so that the write stays small', () => {
    const marks = Array.from({ length: 80 }, (_, index) => [`mark${index}`, MARK]);
    const forget = planForget(
      parseAccount(account({ x: Object.fromEntries(marks) })),
      EXPIRES + 60,
    );
    expect(forget?.remove).toHaveLength(50);
  });
});
