import { describe, expect, it } from 'vitest';
import { evaluateDetectors } from './evaluate.ts';
import { INJECTED_KINDS } from './injected.ts';

describe('detectors over simulated tenants', () => {
  it('find what is injected within five minutes, and are quiet otherwise', {
    timeout: 120_000,
  }, () => {
    const result = evaluateDetectors({ tenants: 20, days: 12, seed: 7, everyMinute: 2 });
    const injected = INJECTED_KINDS.reduce((sum, kind) => sum + result.injected[kind], 0);
    const found = INJECTED_KINDS.reduce((sum, kind) => sum + result.found[kind], 0);
    expect(injected).toBe(80);
    expect(found / injected).toBeGreaterThanOrEqual(0.95);
    for (const kind of INJECTED_KINDS) expect(result.found[kind], kind).toBeGreaterThanOrEqual(17);
    // All these days have the baseline of a cold start; npm run detect judges whole months, at 1.
    expect(result.falseAlarmsPerTenantMonth).toBeLessThanOrEqual(2);
  });
});
