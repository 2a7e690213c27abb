import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { encodeHold, type Hold, parseAccount } from '../../../core/limits/account.ts';

const HOLD: Hold = {
  nanoUsd: 7,
  inputTokens: 5,
  outputTokens: 3,
  expiresAtSeconds: 1_795_300_000,
  day: 20261121,
  countsDay: true,
  owner: { kind: 'sibling', leadAccount: 'key/vk_0123456789ab' },
};
const ITEM = {
  pk: 'team/acme/search',
  st: 'active',
  lv: 'abcdefgh',
  l: { rm: 600, uM: 5_000_000_000 },
  pv: 12,
  s: 1_795_233_000,
  m: 29_920_550,
  h: { abcdefgh: encodeHold(HOLD) },
  x: { ijklmnop: '1z141z' },
  uM202611: 70,
  rm29920550: 3,
  'rm0!': 1_795_233_060,
  al202611_80: 1,
};

/** What an account item is; `parseAccount` refuses the same without it. */
const itemSchema = z.looseObject({
  st: z.enum(['active', 'revoked', 'suspended']),
  lv: z.string(),
  l: z.record(z.string(), z.union([z.number(), z.string()])),
  pv: z.number(),
  s: z.optional(z.number()),
  m: z.optional(z.number()),
  d: z.optional(z.number()),
  u: z.optional(z.number()),
  h: z.record(z.string(), z.string()),
  x: z.record(z.string(), z.string()),
  n: z.optional(z.number()),
});

describe('an account', () => {
  it('is read from its item, whatever else the item has', () => {
    const account = parseAccount({ ...ITEM, u: 29_920_549, n: 4, d: 20_261_120, other: [1, 2] });
    expect(account).toEqual({
      status: 'active',
      limitsVersion: 'abcdefgh',
      plan: { requestsPerMinute: 600, nanoUsdPerMonth: 5_000_000_000 },
      policyVersion: 12,
      latestSecond: 1_795_233_000,
      latestMinute: 29_920_550,
      latestDay: 20_261_120,
      lastUsedMinute: 29_920_549,
      holds: new Map([['abcdefgh', HOLD]]),
      voided: new Map([['ijklmnop', Date.UTC(2026, 0, 1) / 1000 + Number.parseInt('1z141z', 36)]]),
      counters: new Map([
        ['uM202611', 70],
        ['rm29920550', 3],
      ]),
      told: new Map([['rm0!', 1_795_233_060]]),
      shards: 4,
    });
  });

  it('is refused exactly where its schema refuses it', () => {
    const odd = fc.constantFrom<unknown>(
      undefined,
      null,
      '',
      'active',
      'revoked',
      'suspended',
      'deleted',
      0,
      -1.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      true,
      [],
      ['a'],
      {},
      { a: 1 },
      { a: null },
      { a: encodeHold(HOLD) },
      { a: encodeHold(HOLD), b: 2 },
    );
    const names = ['st', 'lv', 'l', 'pv', 's', 'm', 'u', 'h', 'x', 'n', 'uM202611'];
    const changes = fc.dictionary(fc.constantFrom(...names), odd, { maxKeys: 3 });
    let refusals = 0;
    fc.assert(
      fc.property(changes, (change) => {
        const item = { ...ITEM, ...change };
        const isAccount = itemSchema.safeParse(item).success;
        if (!isAccount) refusals += 1;
        if (isAccount) expect(parseAccount(item).counters.get('rm29920550')).toBe(3);
        else expect(() => parseAccount(item)).toThrow();
      }),
      { numRuns: 2_000 },
    );
    expect(refusals).toBeGreaterThan(200);
    for (const name of ['st', 'lv', 'l', 'pv', 'h', 'x']) {
      const rest = Object.entries(ITEM).filter(([each]) => each !== name);
      expect(() => parseAccount(Object.fromEntries(rest))).toThrow();
    }
  });

  it('is refused where one of its holds is none', () => {
    expect(() => parseAccount({ ...ITEM, h: { abcdefgh: 'nonsense' } })).toThrow('not a hold');
  });

  it('has the very plan of an account with the same limits', () => {
    const [one, other] = [parseAccount(ITEM), parseAccount({ ...ITEM, l: { ...ITEM.l } })];
    expect(one.plan).toBe(other.plan);
    expect(parseAccount({ ...ITEM, l: { rm: 601 } }).plan).toEqual({ requestsPerMinute: 601 });
  });
});
