/** One call by its request id: what became of it, what it holds, and where its logs, spans and record are. */
import * as z from 'zod';
import { mayDo, OF_THE_RECORD } from '../../core/governance/permissions.ts';
import { isRequestId } from '../../core/ids.ts';
import { type RequestReport, requestSchema } from '../../core/request-lookup.ts';
import { adminRoute, done, notFound } from './admin-route.ts';
import { lookUpRequest, type RequestLookupPorts } from './request-lookup.ts';
import type { AdminRoute } from './route.ts';

export function requestRoutes(ports: RequestLookupPorts): readonly AdminRoute[] {
  return [
    adminRoute({
      operation: 'showRequest',
      method: 'GET',
      path: '/requests/{requestId}',
      summary:
        'One call: its state, usage event, holds and charges, and where its logs, trace and record are.',
      params: z.strictObject({
        requestId: z.string().refine(isRequestId, '`req_` and 22 letters and digits'),
      }),
      query: z.strictObject({
        /** Of the call in UTC; without it today and the two days before are searched. */
        day: z.iso.date().optional(),
        /** Its key's id: a call that runs is found by it alone. */
        key: z
          .string()
          .regex(/^(vk|sso)_[0-9a-z]{1,64}$/, 'the id of a key, such as vk_0123456789ab')
          .optional(),
      }),
      body: z.unknown(),
      answer: requestSchema,
      permission: 'usage:read',
      target: () => OF_THE_RECORD,
      async handle({ principal, params: { requestId: id }, query: { day, key: keyId } }) {
        const found = await lookUpRequest(ports, { id, day, keyId });
        if (found === undefined || !mayDo(principal, 'usage:read', targetOf(found)))
          return notFound(
            `call ${id} to show you. One that runs is found by its key, one that is over by its record, which comes some minutes later, on ${day ?? 'one of the last three days'}`,
          );
        return done(200, found);
      },
    }),
  ];
}

function targetOf({ tenant_id: tenantId, team_id: teamId }: RequestReport) {
  return { tenantId, teamId };
}
