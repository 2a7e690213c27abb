/** Every operation of the admin API, in one table: what is not here does not exist. */
import { activityRoutes } from './activity-routes.ts';
import type { ChangePorts } from './apply-policy.ts';
import { createAuditRoutes } from './audit-routes.ts';
import type { ClosePorts } from './close-ledger.ts';
import { type DenialPorts, denialRoutes } from './denial-routes.ts';
import type { InvoicePorts } from './invoices.ts';
import { createKeyRoutes, type KeyRoutePorts } from './key-routes.ts';
import { ledgerRoutes } from './ledger-routes.ts';
import { objectRoutes } from './object-routes.ts';
import { withDocument } from './openapi.ts';
import type { OverridePorts } from './override-ports.ts';
import { createOverrideRoutes } from './override-routes.ts';
import { policyRoutes } from './policy-routes.ts';
import { createPrincipalRoutes, type PrincipalPorts } from './principal-routes.ts';
import type { RequestLookupPorts } from './request-lookup.ts';
import { requestRoutes } from './request-routes.ts';
import type { AdminRoute } from './route.ts';
import { usageRoutes } from './usage-routes.ts';

export interface AdminPorts {
  readonly change: ChangePorts;
  readonly keys: KeyRoutePorts;
  readonly principals: PrincipalPorts;
  readonly overrides: OverridePorts;
  readonly denials: DenialPorts;
  readonly requests: RequestLookupPorts;
  readonly ledger: ClosePorts & InvoicePorts;
}

export function adminRoutes(ports: AdminPorts): readonly AdminRoute[] {
  return withDocument([
    ...policyRoutes(ports.change),
    ...objectRoutes(ports.change),
    ...createKeyRoutes(ports.keys),
    ...createPrincipalRoutes(ports.principals),
    ...createOverrideRoutes(ports.overrides),
    ...createAuditRoutes(ports.principals),
    ...usageRoutes(ports.keys),
    ...denialRoutes(ports.denials),
    ...requestRoutes(ports.requests),
    ...activityRoutes(ports.denials),
    ...ledgerRoutes(ports.ledger),
  ]);
}
