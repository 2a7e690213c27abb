import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_NANO_USD, nanoUsd } from '../../../core/money.ts';
import { billedAt, billedTo } from '../../../core/usage/billing.ts';
import { callFacts } from './call-facts.ts';

const terms = fc.record({ discountPercent: fc.nat(100), marginPercent: fc.nat(1_000) });
const cost = fc.integer({ min: 0, max: MAX_NANO_USD }).map(nanoUsd);

describe('what a tenant is billed', () => {
  it('is the cost less the discount, and the margin on what that leaves', () => {
    const billing = { discountPercent: 20, marginPercent: 10 };
    expect(billedAt(nanoUsd(2_250_000_000), billing)).toBe(1_980_000_000);
    const policy = { ...callFacts.caller.policy, tenants: { acme: { ...TENANT, billing } } };
    expect(billedTo(policy, 'acme', nanoUsd(100))).toEqual({
      discount_percent: 20,
      margin_percent: 10,
      billed_nano_usd: 88,
    });
  });

  it('is not said of a tenant without terms, and not of one that the policy does not know', () => {
    const policy = { ...callFacts.caller.policy, tenants: { acme: TENANT } };
    const unsaid = { discount_percent: null, margin_percent: null, billed_nano_usd: null };
    for (const tenantId of ['acme', 'globex', '__proto__'])
      expect(billedTo(policy, tenantId, nanoUsd(100))).toEqual(unsaid);
  });

  it('is exact to the nano-dollar, rounded up once, and within the range of money', () => {
    fc.assert(
      fc.property(cost, terms, (amount, { discountPercent, marginPercent }) => {
        const billed = BigInt(billedAt(amount, { discountPercent, marginPercent }));
        const exact = BigInt(amount) * BigInt((100 - discountPercent) * (100 + marginPercent));
        if (billed === BigInt(MAX_NANO_USD)) return;
        expect(billed * 10_000n - exact).toBeGreaterThanOrEqual(0n);
        expect(billed * 10_000n - exact).toBeLessThan(10_000n);
      }),
    );
    expect(billedAt(nanoUsd(MAX_NANO_USD), { discountPercent: 0, marginPercent: 5 })).toBe(
      MAX_NANO_USD,
    );
  });
});

const TENANT = { limits: {}, projectLimits: {} };
