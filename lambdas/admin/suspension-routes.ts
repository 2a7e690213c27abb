/** Suspending a team or a whole tenant, and ending that: all their keys at once, in force when it is answered. */
import * as z from 'zod';
import { mayDo } from '../../core/governance/permissions.ts';
import { adminRoute, done, forbidden } from './admin-route.ts';
import { keyStatusSchema } from './key-answers.ts';
import { type Audit, type KeyAsker, type KeyPorts, setSuspended } from './key-changes.ts';
import type { AdminAnswer, AdminRoute } from './route.ts';

export interface SuspensionPorts extends KeyPorts {
  readonly audit: Audit;
}

const id = z.string().min(1).max(64);

export function createSuspensionRoutes(ports: SuspensionPorts): readonly AdminRoute[] {
  const ofTeam = z.strictObject({ tenantId: id, teamId: id });
  const ofTenant = z.strictObject({ tenantId: id });
  const common = {
    method: 'POST',
    query: z.strictObject({}),
    body: z.unknown(),
    answer: z.object({ status: keyStatusSchema, keys: z.number() }),
    permission: 'keys:write',
  } as const;
  const team = (verb: 'suspend' | 'resume') =>
    adminRoute({
      ...common,
      operation: `${verb}Team`,
      path: `/tenants/{tenantId}/teams/{teamId}/${verb}`,
      summary: `${verb === 'suspend' ? 'Stops' : 'Lets go on'} all keys of a team, from their next requests on.`,
      params: ofTeam,
      target: ({ params }) => params,
      handle: (request) => suspend(ports, request, { verb, target: request.params }),
    });
  const tenant = (verb: 'suspend' | 'resume') =>
    adminRoute({
      ...common,
      operation: `${verb}Tenant`,
      path: `/tenants/{tenantId}/${verb}`,
      summary: `${verb === 'suspend' ? 'Stops' : 'Lets go on'} all keys of a tenant, from their next requests on.`,
      params: ofTenant,
      target: ({ params }) => params,
      handle: (request) => suspend(ports, request, { verb, target: request.params }),
    });
  return [team('suspend'), team('resume'), tenant('suspend'), tenant('resume')];
}

interface Suspension {
  readonly verb: 'suspend' | 'resume';
  readonly target: { readonly tenantId: string; readonly teamId?: string };
}

/** Whoever is stopped by somebody above does not start itself again. */
async function suspend(
  ports: SuspensionPorts,
  asker: KeyAsker,
  { verb, target }: Suspension,
): Promise<AdminAnswer> {
  const { tenantId, teamId } = target;
  const { principal } = asker;
  const above = teamId === undefined ? {} : { tenantId };
  if (!mayDo(principal, 'keys:write', above))
    return forbidden(
      `Only who is above the ${teamId === undefined ? 'tenant' : 'team'} may ${verb} it.`,
    );
  const isSuspended = verb === 'suspend';
  const object =
    teamId === undefined ? `tenants/${tenantId}` : `tenants/${tenantId}/teams/${teamId}`;
  await ports.audit.record(asker, {
    operation: `${verb}${teamId === undefined ? 'Tenant' : 'Team'}`,
    object,
    target,
    after: { suspended: isSuspended },
  });
  const keys = await setSuspended(ports, target, isSuspended);
  return done(200, { status: isSuspended ? 'suspended' : 'active', keys });
}
