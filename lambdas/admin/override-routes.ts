/** Overrides: asked for by one person, decided by another, in force within seconds, each step in the audit log. */
import * as z from 'zod';
import {
  askForOverride,
  type OverrideWish,
  targetOfScope,
} from '../../core/governance/override-request.ts';
import {
  isOpenOverride,
  type Override,
  overriddenScopeSchema,
  overrideAt,
} from '../../core/governance/overrides.ts';
import { mayDo, OF_THE_RECORD } from '../../core/governance/permissions.ts';
import { randomText } from '../../core/ids.ts';
import { DIMENSION_NAMES } from '../../core/limits/dimensions.ts';
import { adminRoute, done, forbidden, refused } from './admin-route.ts';
import { decideOverride } from './decide-override.ts';
import {
  type OverridePorts,
  overrideRecord,
  policyOf,
  shownOverride,
  targetsOf,
} from './override-ports.ts';
import type { AdminAnswer, AdminRequest, AdminRoute } from './route.ts';

const DAY_SECONDS = 86_400;
const MAX_OPEN = 500;

const nothing = z.strictObject({});
const byId = z.strictObject({ id: z.string().regex(/^ovr_[0-9A-Za-z]{16}$/) });
const scope = z.strictObject({
  kind: z.enum(['tenant', 'team', 'team-tier', 'project', 'feature']),
  tenantId: z.string().min(1).max(64),
  teamId: z.string().min(1).max(64).optional(),
  projectId: z.string().min(1).max(64).optional(),
  tier: z.enum(['shared', 'premium', 'experimental']).optional(),
  feature: z.string().min(1).max(200).optional(),
});
/** What every wish has. */
const wish = {
  scope,
  dimension: z.enum(DIMENSION_NAMES),
  reason: z.string().min(1).max(300),
  expiresInSeconds: z
    .int()
    .min(60)
    .max(14 * DAY_SECONDS)
    .default(3 * DAY_SECONDS),
};
const amount = z.string().min(1).max(40);
const why = z.strictObject({ reason: z.string().min(1).max(300).optional() });
const answer = z.object({
  override: z.looseObject({ id: z.string(), state: z.string() }),
  policyVersion: z.int().optional(),
});

export function createOverrideRoutes(ports: OverridePorts): readonly AdminRoute[] {
  return [...lookRoutes(ports), ...wishRoutes(ports), ...decisionRoutes(ports)];
}

function lookRoutes({ overrides, writer, clock }: OverridePorts): readonly AdminRoute[] {
  const states = z.enum([
    'requested',
    'approved',
    'effective',
    'rejected',
    'withdrawn',
    'expired',
    'ended',
    'failed',
  ]);
  return [
    adminRoute({
      operation: 'listOverrides',
      method: 'GET',
      path: '/overrides',
      summary: 'Overrides and what became of them, those of the last 90 days.',
      params: nothing,
      query: z.strictObject({ state: states.optional() }),
      body: z.unknown(),
      answer: z.object({ overrides: z.array(z.looseObject({ id: z.string() })) }),
      permission: 'overrides:read',
      target: () => OF_THE_RECORD,
      async handle({ principal, query: { state } }) {
        const policy = await policyOf(writer);
        const seen = (await overrides.all())
          .map((each) => overrideAt(each, clock.nowMs()))
          .filter(
            (each) =>
              (state === undefined || each.state === state) &&
              targetsOf(each, policy).some((at) => mayDo(principal, 'overrides:read', at)),
          );
        return done(200, { overrides: seen.map(shownOverride) });
      },
    }),
  ];
}

function wishRoutes(ports: OverridePorts): readonly AdminRoute[] {
  const common = { method: 'POST', params: nothing, query: nothing, answer } as const;
  const gate = { permission: 'overrides:request', target: () => OF_THE_RECORD } as const;
  return [
    adminRoute({
      ...common,
      ...gate,
      operation: 'requestOverride',
      path: '/overrides',
      summary: 'Asks for a limit to be raised for a while, or for more budget in this period.',
      body: z.strictObject({
        ...wish,
        kind: z.enum(['raise', 'allocation']),
        amount,
        untilMs: z.int().positive().optional(),
      }),
      handle: (request) => ask(ports, request, request.body),
    }),
    adminRoute({
      ...common,
      ...gate,
      operation: 'requestBudgetReset',
      path: '/budgets/reset',
      summary: 'Asks for this period’s budget anew; what was spent stays in the ledger.',
      body: z.strictObject(wish),
      handle: (request) => ask(ports, request, { ...request.body, kind: 'reset' }),
    }),
    adminRoute({
      ...common,
      ...gate,
      operation: 'requestBudgetTransfer',
      path: '/budgets/transfer',
      summary: 'Asks for a part of this period’s budget to go to another scope of the tenant.',
      body: z.strictObject({ ...wish, to: scope, amount }),
      handle: (request) => ask(ports, request, { ...request.body, kind: 'transfer' }),
    }),
  ];
}

function decisionRoutes(ports: OverridePorts): readonly AdminRoute[] {
  const decisions = [
    ['approveOverride', 'approve', 'overrides:approve', 'Approves, as a second person.'],
    ['rejectOverride', 'reject', 'overrides:approve', 'Rejects, as a second person.'],
    ['withdrawOverride', 'withdraw', 'overrides:request', 'Takes one’s own request back.'],
  ] as const;
  return decisions.map(([operation, action, permission, summary]) =>
    adminRoute({
      operation,
      method: 'POST',
      path: `/overrides/{id}/${action}`,
      summary,
      params: byId,
      query: nothing,
      body: why,
      answer,
      permission,
      target: () => OF_THE_RECORD,
      handle: (request) => decideOverride(ports, request, action),
    }),
  );
}

type Wish = Omit<OverrideWish, 'scope' | 'to'> & {
  readonly scope: z.output<typeof scope>;
  readonly to?: z.output<typeof scope>;
  readonly expiresInSeconds: number;
};

async function ask(
  { overrides, audit, writer, clock }: OverridePorts,
  request: AdminRequest<unknown, unknown, unknown>,
  { scope: from, to: goal, expiresInSeconds, ...rest }: Wish,
): Promise<AdminAnswer> {
  const scopes = [from, ...(goal === undefined ? [] : [goal])].map((each) =>
    overriddenScopeSchema.safeParse(each),
  );
  const [own, to] = scopes.map(({ data }) => data);
  if (own === undefined || scopes.some(({ success }) => !success))
    return refused(400, 'invalid_override', 'scope: its kind, and just the ids that it has.');
  const policy = await policyOf(writer);
  const nowMs = clock.nowMs();
  const asked = askForOverride(
    { ...rest, scope: own, ...(to === undefined ? {} : { to }) },
    {
      id: `ovr_${randomText(16)}`,
      by: request.principal,
      policy,
      nowMs,
      expiresAtMs: nowMs + expiresInSeconds * 1000,
    },
  );
  // Rights first: whoever may not ask here learns nothing of what limits there are.
  const targets = [own, ...(to === undefined ? [] : [to])].map((at) => targetOfScope(at, policy));
  if (!targets.every((target) => mayDo(request.principal, 'overrides:request', target)))
    return forbidden('Your role does not ask for overrides of this scope.');
  if (asked.kind === 'refused') return refused(400, 'invalid_override', asked.reason);
  const open = (await overrides.all()).filter((each) => isOpenOverride(overrideAt(each, nowMs)));
  if (open.length >= MAX_OPEN)
    return refused(409, 'too_many_overrides', `There are ${MAX_OPEN} open overrides already.`);
  const { override } = asked;
  const record = overrideRecord(request, {
    operation: operationOf(override),
    target: targets[0] ?? {},
    after: override,
    atMs: nowMs,
  });
  await overrides.change(override.id, () => ({
    kind: 'write',
    document: override,
    items: [audit.item(record)],
    result: undefined,
  }));
  await audit.ship(record);
  return done(201, { override: shownOverride(override) });
}

function operationOf({ kind }: Override): string {
  switch (kind) {
    case 'raise':
    case 'allocation':
      return 'requestOverride';
    case 'reset':
      return 'requestBudgetReset';
    case 'transfer':
      return 'requestBudgetTransfer';
  }
}
