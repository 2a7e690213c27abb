/** What a key's account has to say, from the key's own status and that of its team and tenant. */
import type { KeyRecord } from '../catalog/snapshot.ts';
import type { KeyStatus } from '../limits/account.ts';

/** Of the key's team and of its tenant. */
export interface Suspensions {
  readonly tenant: boolean;
  readonly team: boolean;
}

/** A revoked key stays so; one that was suspended by itself stays so when its team is back. */
export function statusInForce(
  { status = 'active' }: Pick<KeyRecord, 'status'>,
  { tenant, team }: Suspensions,
): KeyStatus {
  if (status === 'revoked') return 'revoked';
  return tenant || team ? 'suspended' : status;
}
