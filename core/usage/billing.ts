/** What a tenant pays for a call whose provider takes another amount. */
import type { BillingTerms, PolicySnapshot } from '../catalog/snapshot.ts';
import { MAX_NANO_USD, type NanoUsd, nanoUsd } from '../money.ts';
import type { UsageEvent } from './event.ts';

type Billed = Pick<UsageEvent, 'discount_percent' | 'margin_percent' | 'billed_nano_usd'>;

/** All null for a tenant that pays what the provider takes. */
export function billedTo(
  { tenants = {} }: PolicySnapshot,
  tenantId: string,
  cost: NanoUsd,
): Billed {
  const billing = tenants[tenantId]?.billing;
  return {
    discount_percent: billing?.discountPercent ?? null,
    margin_percent: billing?.marginPercent ?? null,
    billed_nano_usd: billing === undefined ? null : billedAt(cost, billing),
  };
}

/** The margin comes on top of what the discount leaves. Exact, and rounded up once to a nano-dollar. */
export function billedAt(cost: NanoUsd, { discountPercent, marginPercent }: BillingTerms): NanoUsd {
  const scaled = BigInt(cost) * BigInt(100 - discountPercent) * BigInt(100 + marginPercent);
  const billed = (scaled + 9_999n) / 10_000n;
  return nanoUsd(billed > MAX_NANO_USD ? MAX_NANO_USD : Number(billed));
}
