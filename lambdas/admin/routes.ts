/** Every operation of the admin API, in one table: what is not here does not exist. */
import type { ChangePorts } from './apply-policy.ts';
import type { ClosePorts } from './close-ledger.ts';
import type { InvoicePorts } from './invoices.ts';
import { keyRoutes } from './key-routes.ts';
import { ledgerRoutes } from './ledger-routes.ts';
import { objectRoutes } from './object-routes.ts';
import { withDocument } from './openapi.ts';
import { policyRoutes } from './policy-routes.ts';
import type { AdminRoute } from './route.ts';

export interface AdminPorts {
  readonly change: ChangePorts;
  readonly ledger: ClosePorts & InvoicePorts;
}

export function adminRoutes({ change, ledger }: AdminPorts): readonly AdminRoute[] {
  return withDocument([
    ...policyRoutes(change),
    ...objectRoutes(change),
    ...keyRoutes(change),
    ...ledgerRoutes(ledger),
  ]);
}

/** A change without a record of it. */
export const unrecorded: ChangePorts['recorded'] = (_record, put) => put([]);
