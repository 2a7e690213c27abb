import { describe, expect, it } from 'vitest';
import { usdByLaw } from '../../bench/cost-law.ts';
import { billOf, type Compute, readCostBook, totalUsd } from '../../scripts/cost/bill.ts';
import { costOptionsSchema, modesOf } from '../../scripts/cost/options.ts';

const book = readCostBook();
const [mode] = modesOf(costOptionsSchema.parse({}));
if (mode === undefined) throw new Error('there is no compute mode');

const TWO_WRITES = { ...mode.traffic, writes: 2 };
const SHORT = { ...TWO_WRITES, seconds: 3, answerKb: 10 };
const INSTANCES: Compute = {
  kind: 'managed-instances',
  streamsPerVcpu: 64,
  utilisation: 0.6,
  minInstances: 3,
};
const lambda = (memoryMb: number): Compute => ({ kind: 'lambda', memoryMb });

describe('the cost law', () => {
  it.each([
    ['short answers at 1 GB', SHORT, lambda(1_024), 46],
    ['short answers at 256 MB', SHORT, lambda(256), 16],
    ['250 tokens at 1 GB', TWO_WRITES, lambda(1_024), 76],
    ['250 tokens at 256 MB', TWO_WRITES, lambda(256), 28],
    ['250 tokens on managed instances', TWO_WRITES, INSTANCES, 13.5],
  ])('gives the published dollars for %s', (_case, traffic, compute, usd) => {
    const found = usdByLaw(traffic, compute, book);
    expect(Math.abs(found - usd)).toBeLessThan(0.5);
  });

  it('charges the time of a managed instance as published: 1.45 and 0.37 dollars', () => {
    const time = (streamsPerVcpu: number) =>
      usdByLaw(TWO_WRITES, { ...INSTANCES, streamsPerVcpu }, book) -
      usdByLaw({ ...TWO_WRITES, seconds: 0 }, INSTANCES, book);
    expect(time(64)).toBeCloseTo(1.45, 2);
    expect(time(250)).toBeCloseTo(0.37, 2);
  });

  it('charges 0.625 and 0.125 dollars for one more write and read of each call', () => {
    const more = (units: { writes?: number; reads?: number }) =>
      usdByLaw({ ...TWO_WRITES, ...units }, INSTANCES, book) -
      usdByLaw(TWO_WRITES, INSTANCES, book);
    expect(more({ writes: TWO_WRITES.writes + 1 })).toBeCloseTo(0.625, 9);
    expect(more({ reads: TWO_WRITES.reads + 1 })).toBeCloseTo(0.125, 9);
  });

  it('leaves out of managed instances what the bill has besides', () => {
    const bill = totalUsd(billOf(TWO_WRITES, INSTANCES, book)) / (TWO_WRITES.requests / 1e6);
    expect(bill - usdByLaw(TWO_WRITES, INSTANCES, book)).toBeGreaterThan(5);
  });
});
