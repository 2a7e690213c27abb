import { describe, expect, it } from 'vitest';
import { runHotScope } from './hot-scope.ts';

describe('a scope with 2,000 requests a second', () => {
  it('stays within 1,000 write units an account and second while its calls are short', async () => {
    const report = await runHotScope({ limit: 2_000, requestsPerSecond: 1_800, callSeconds: 0.02 });
    console.log(report);
    expect(report.admitted).toBeGreaterThan(5_000);
    expect(report.busiestUnits).toBeLessThanOrEqual(1_000);
  });
});
