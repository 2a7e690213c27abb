/** The audit log as the API shows it: the last days from its table; what is older is asked in Athena. */
import * as z from 'zod';
import type { Clock } from '../../core/clock.ts';
import { targetOf } from '../../core/governance/principals.ts';
import { type AuditLog, RECENT_DAYS } from '../adapters/audit-log.ts';
import { adminRoute, done } from './admin-route.ts';
import type { AdminRoute } from './route.ts';

const MAX_PAGE = 500;
const DAY_MS = 86_400_000;

const moment = z.iso.datetime({ offset: true });
const reach = z.string().min(1).max(64);

export function createAuditRoutes({
  audit,
  clock,
}: {
  readonly audit: Pick<AuditLog, 'recent'>;
  readonly clock: Clock;
}): readonly AdminRoute[] {
  return [
    adminRoute({
      operation: 'listAuditRecords',
      method: 'GET',
      path: '/audit',
      summary: `Who changed what, newest first, of the last ${RECENT_DAYS} days; the named query audit-trail has all of it.`,
      params: z.strictObject({}),
      query: z.strictObject({
        object: z.string().max(500).optional(),
        principal: z.string().max(64).optional(),
        tenantId: reach.optional(),
        from: moment.optional(),
        to: moment.optional(),
        limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100),
      }),
      body: z.unknown(),
      answer: z.object({
        records: z.array(z.looseObject({ id: z.string(), changed_at: z.string() })),
        recordsSince: z.string(),
        isComplete: z.boolean(),
        nextTo: z.string().nullable(),
      }),
      permission: 'audit:read',
      target: ({ query }) => targetOf({ tenantId: query.tenantId }),
      async handle({ query: { from, to, limit, ...question } }) {
        const nowMs = clock.nowMs();
        const sinceMs = nowMs - RECENT_DAYS * DAY_MS;
        const fromMs = from === undefined ? sinceMs : Date.parse(from);
        const { records, nextTo } = await audit.recent(
          {
            from: new Date(Math.max(fromMs, sinceMs)).toISOString(),
            to: new Date(to === undefined ? nowMs + 1 : Date.parse(to)).toISOString(),
            limit,
          },
          question,
        );
        return done(200, {
          records,
          recordsSince: new Date(sinceMs).toISOString(),
          // False where the question goes further back than the table: the rest is in Athena.
          isComplete: fromMs >= sinceMs,
          nextTo: nextTo ?? null,
        });
      },
    }),
  ];
}
