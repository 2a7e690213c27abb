/** What tenants and teams have spent this month and hold now, from the accounts that refuse their calls. */
import * as z from 'zod';
import type { PolicySnapshot } from '../../core/catalog/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import { mayDo, OF_THE_RECORD } from '../../core/governance/permissions.ts';
import { type AccountStore, readScope } from '../../core/limits/account-store.ts';
import { periodsOf, usageOf } from '../../core/serve-usage.ts';
import { accountKey, type Scope } from '../../core/tenancy/scopes.ts';
import { adminRoute, done, notFound } from './admin-route.ts';
import type { AdminRoute } from './route.ts';

export interface UsagePorts {
  readonly accountStore: Pick<AccountStore, 'read'>;
  readonly currentPolicy: () => Promise<PolicySnapshot | undefined>;
  readonly clock: Clock;
}

type Owner = Extract<Scope, { readonly kind: 'tenant' | 'team' }>;

const MAX_PAGE = 200;
const id = z.string().min(1).max(64);
const amounts = z.looseObject({ usd: z.string(), nano_usd: z.number() });
const usage = z.looseObject({
  scope: z.looseObject({ kind: z.enum(['tenant', 'team']), tenantId: z.string() }),
  period: z.string(),
  settled: amounts,
  held: amounts,
  projected_end_usd: z.string(),
  reset_at: z.string(),
});

export function usageRoutes({
  accountStore,
  currentPolicy,
  clock,
}: UsagePorts): readonly AdminRoute[] {
  return [
    adminRoute({
      operation: 'listUsage',
      method: 'GET',
      path: '/usage',
      summary: 'What tenants and teams have spent this month, hold now, and may spend; in pages.',
      params: z.strictObject({}),
      query: z.strictObject({
        tenantId: id.optional(),
        limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100),
        /** As the answer before gave it as `next`. */
        after: z.string().min(1).max(1_000).optional(),
      }),
      body: z.unknown(),
      answer: z.object({
        time_zone: z.string(),
        scopes: z.array(usage),
        next: z.string().nullable(),
      }),
      permission: 'usage:read',
      target: () => OF_THE_RECORD,
      async handle({ principal, query: { tenantId, limit, after = '' } }) {
        const policy = await currentPolicy();
        if (policy === undefined) return notFound('policy yet');
        const seen = ownersOf(policy)
          .filter((owner) => tenantId === undefined || owner.tenantId === tenantId)
          .filter((owner) => mayDo(principal, 'usage:read', targetOf(owner)))
          .map((owner) => ({ owner, key: accountKey(owner), place: placeOf(owner) }))
          .toSorted((a, b) => (a.place < b.place ? -1 : 1))
          .filter(({ place }) => place > after);
        const page = seen.slice(0, limit);
        const now = periodsOf(clock.nowMs(), policy.timeZone);
        const scopes = await Promise.all(
          page.map(async ({ owner, key }) => {
            const account = await readScope(accountStore, key);
            return account === undefined ? [] : [{ scope: owner, ...usageOf(account, now) }];
          }),
        );
        const next = seen.length > limit ? (page.at(-1)?.place ?? null) : null;
        return done(200, { time_zone: policy.timeZone, scopes: scopes.flat(), next });
      },
    }),
  ];
}

function ownersOf({ tenants = {}, teams }: PolicySnapshot): Owner[] {
  return [
    ...Object.keys(tenants).map((tenantId) => ({ kind: 'tenant', tenantId }) as const),
    ...Object.values(teams).map(
      ({ tenantId, id: teamId }) => ({ kind: 'team', tenantId, teamId }) as const,
    ),
  ];
}

function targetOf(owner: Owner) {
  const { tenantId } = owner;
  return owner.kind === 'team' ? { tenantId, teamId: owner.teamId } : { tenantId };
}

/** A tenant stands before its teams. Ids are encoded, so that none contains the sign between them. */
function placeOf(owner: Owner): string {
  const tenant = encodeURIComponent(owner.tenantId);
  return owner.kind === 'tenant' ? tenant : `${tenant}/${encodeURIComponent(owner.teamId)}`;
}
