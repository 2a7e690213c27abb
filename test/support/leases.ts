import type { RandomText } from '../../core/ids.ts';
import type { NewLeases } from '../../core/limits/accounts.ts';
import { createLeases } from '../../core/limits/leases.ts';

/** Leases of workers whose names are made so. */
export function leasesNamed(newName: RandomText): NewLeases {
  return (shared) => createLeases({ ...shared, newName });
}
