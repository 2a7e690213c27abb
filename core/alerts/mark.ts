/**
 * Marks in an account that say what was told: so that redelivered, reordered or late usage events tell nothing twice. A
 * mark is the time at which somebody claimed the right to tell, and then the time until which nobody needs to.
 */
import { ATTR } from '../limits/account.ts';
import type { AccountWrite } from '../limits/account-write.ts';

/** A claim that was not followed by a delivery for so long belongs to a process that died. */
const CLAIM_SECONDS = 10;

/** Never again: the mark's name has the period in it. */
export const FOREVER = Number.MAX_SAFE_INTEGER;

/** Takes the right to tell; a dead claimant's right passes on. */
export function planClaim(mark: string, nowSeconds: number): AccountWrite {
  return {
    conditions: [
      { kind: 'present', path: [ATTR.status] },
      { kind: 'at-most', path: [mark], value: nowSeconds - CLAIM_SECONDS },
    ],
    set: [[[mark], nowSeconds]],
    add: [],
    remove: [],
  };
}

/** After delivery. */
export function planTold(mark: string, untilSeconds: number): AccountWrite {
  return {
    conditions: [{ kind: 'present', path: [ATTR.status] }],
    set: [[[mark], untilSeconds]],
    add: [],
    remove: [],
  };
}

/** By what the account has under the mark's name. Clocks of claimants disagree by less than a claim lasts. */
export function wasTold(until: unknown, nowSeconds: number): boolean {
  return typeof until === 'number' && until > nowSeconds + CLAIM_SECONDS;
}
