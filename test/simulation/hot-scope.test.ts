import { describe, expect, it } from 'vitest';
import { runHotScope } from './hot-scope.ts';

describe('a hot scope at nine tenths of its limit', () => {
  it.each([
    ['2,000 short requests a second', 2_000, 0.02],
    ['100 requests of ten seconds a second', 100, 10],
    ['40 requests of five seconds a second', 40, 5],
  ])('stays within 1,000 write units an account and second: %s', async (_, limit, callSeconds) => {
    const report = await runHotScope({ limit, requestsPerSecond: 0.9 * limit, callSeconds });
    console.log(report);
    expect(report.refused).toBe(0);
    expect(report.admitted).toBeGreaterThan(2 * limit);
    expect(report.busiestUnits).toBeLessThanOrEqual(1_000);
    expect(report.readsPerCall).toBeLessThan(10);
  });

  it.each([
    ['500 a second of 0.8 s', 555, 0.8],
    ['100 a second of ten seconds', 111, 10],
  ])('may have all its calls by one key: %s', async (_, limit, callSeconds) => {
    const load = { limit, requestsPerSecond: 0.9 * limit, callSeconds, keys: 1 };
    const report = await runHotScope(load);
    console.log(report);
    expect(report.refused).toBe(0);
    expect(report.keyAccounts).toBeGreaterThan(1);
    expect(report.busiestUnits).toBeLessThanOrEqual(1_000);
    expect(report.busiestKeyUnits).toBeLessThanOrEqual(1_000);
  });
});
