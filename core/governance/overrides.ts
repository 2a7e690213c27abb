/**
 * Overrides: a limit that is raised for a while, money given in an emergency, a budget given anew, or moved. One person
 * asks, a second one approves, and the clock ends it. Decides which step is allowed and what the document is after it;
 * what an override does to limits is in raises-of.ts, and nothing here writes.
 */
import * as z from 'zod/mini';
import type { EpochMs } from '../clock.ts';
import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from '../limits/dimensions.ts';
import { periodEnd } from '../limits/periods.ts';
import type { Scope } from '../tenancy/scopes.ts';
import { mayDo } from './permissions.ts';
import type { Principal, Target } from './principal.ts';

const id = z.string();
/** Keys are not among them: a key's limits are changed in its own record, at once. */
export const overriddenScopeSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('tenant'), tenantId: id }),
  z.strictObject({ kind: z.literal('team'), tenantId: id, teamId: id }),
  z.strictObject({
    kind: z.literal('team-tier'),
    tenantId: id,
    teamId: id,
    tier: z.enum(['shared', 'premium', 'experimental']),
  }),
  z.strictObject({ kind: z.literal('project'), tenantId: id, projectId: id }),
  z.strictObject({ kind: z.literal('feature'), tenantId: id, teamId: id, feature: id }),
]);
export type OverriddenScope = z.infer<typeof overriddenScopeSchema> & Scope;

const personSchema = z.object({ id: z.string(), name: z.string() });

export const overrideSchema = z.object({
  id: z.string(),
  /**
   * `raise`: a limit is higher until a moment. `allocation`: more budget in this period. `reset`: this period's budget
   * anew; what was spent stays in the ledger. `transfer`: a part of this period's budget goes to another scope.
   */
  kind: z.enum(['raise', 'allocation', 'reset', 'transfer']),
  scope: overriddenScopeSchema,
  /** Of a transfer. */
  to: z.optional(overriddenScopeSchema),
  dimension: z.enum(DIMENSION_NAMES),
  /** In the dimension's unit, money in nano-dollars. Of a reset: what was cleared, known at its approval. */
  amount: z.int(),
  /** When a raise ends, as asked for; of the others the end of the period in which they are approved. */
  untilMs: z.optional(z.int()),
  /** Since when it holds. */
  fromMs: z.optional(z.int()),
  reason: z.string(),
  /** `approved`: the lender of a transfer has given already, the borrower has not got it yet. */
  state: z.enum([
    'requested',
    'approved',
    'effective',
    'rejected',
    'withdrawn',
    'expired',
    'ended',
    'failed',
  ]),
  requestedBy: personSchema,
  requestedAtMs: z.int(),
  /** When nobody has decided until then, nobody can any more. */
  expiresAtMs: z.int(),
  decidedBy: z.optional(personSchema),
  decidedAtMs: z.optional(z.int()),
  decision: z.optional(z.string()),
});
export type Override = z.infer<typeof overrideSchema>;

/** As the clock leaves it: a request that nobody decided, and an override whose time is over. */
export function overrideAt(override: Override, nowMs: EpochMs): Override {
  const { state, expiresAtMs, untilMs = Infinity } = override;
  if (state === 'requested' && nowMs >= expiresAtMs) return { ...override, state: 'expired' };
  if ((state === 'effective' || state === 'approved') && nowMs >= untilMs)
    return { ...override, state: 'ended' };
  return override;
}

export function isOpenOverride({ state }: Override): boolean {
  return state === 'requested' || state === 'approved' || state === 'effective';
}

/** Who asks or decides, and who has ever issued a key of it: they could act as it. None for the root. */
export interface Decider extends Principal {
  readonly keyIssuers: readonly string[];
}

export type Step =
  | { readonly kind: 'done'; readonly override: Override }
  | { readonly kind: 'forbidden'; readonly reason: string }
  | { readonly kind: 'conflict'; readonly reason: string };

export interface Decision {
  readonly action: 'approve' | 'reject' | 'withdraw';
  readonly by: Decider;
  /** Who asked, as recorded now; absent for the root. */
  readonly requester: Decider | undefined;
  readonly targets: readonly Target[];
  readonly nowMs: EpochMs;
  readonly timeZone: string;
  readonly why: string | undefined;
}

/** What becomes of a request that somebody decides. A transfer is only approved by it: it begins with its lender. */
export function decide(stored: Override, decision: Decision): Step {
  const { action, by, nowMs, timeZone, why } = decision;
  const override = overrideAt(stored, nowMs);
  if (override.state !== 'requested')
    return { kind: 'conflict', reason: `The override is ${override.state}; it cannot be decided.` };
  const refusal =
    action === 'withdraw' ? notWithdrawn(override, by) : notDecided(override, decision);
  if (refusal !== undefined) return { kind: 'forbidden', reason: refusal };
  const decided = {
    ...override,
    decidedBy: { id: by.id, name: by.name },
    decidedAtMs: nowMs,
    ...(why === undefined ? {} : { decision: why }),
  };
  if (action !== 'approve')
    return {
      kind: 'done',
      override: { ...decided, state: action === 'reject' ? 'rejected' : 'withdrawn' },
    };
  const untilMs = override.untilMs ?? endOfPeriod(override.dimension, nowMs, timeZone);
  if (untilMs <= nowMs)
    return {
      kind: 'conflict',
      reason: 'The moment until which the override was asked for is over.',
    };
  const state = override.kind === 'transfer' ? 'approved' : 'effective';
  return { kind: 'done', override: { ...decided, state, fromMs: nowMs, untilMs } };
}

/** Of dimensions of a day or a month, which end by the calendar. */
export function endOfPeriod(dimension: Dimension, nowMs: EpochMs, timeZone: string): EpochMs {
  return periodEnd(nowMs, timeZone, DIMENSIONS[dimension].window === 'day' ? 'day' : 'month');
}

/** A tenant's own limits are the platform's to change, and so is what changes between them. */
function mayApprove(by: Principal, targets: readonly Target[]): boolean {
  return targets.every(
    (target) =>
      mayDo(by, 'overrides:approve', target) &&
      (by.role === 'platform-admin' || target.teamId !== undefined),
  );
}

function notWithdrawn({ requestedBy }: Override, by: Decider): string | undefined {
  return requestedBy.id === by.id ? undefined : 'Only who asked for an override withdraws it.';
}

function notDecided(
  { requestedBy }: Override,
  { by, requester, targets }: Decision,
): string | undefined {
  if (!mayApprove(by, targets)) return 'Your role does not decide about overrides of this scope.';
  if (by.id === requestedBy.id) return 'Somebody else than who asked for an override decides it.';
  const knowsKey = by.keyIssuers.includes(requestedBy.id);
  const isKnownBy = requester?.keyIssuers.includes(by.id) ?? false;
  // Else one person could be two: whoever issues keys would approve what they ask for.
  if (knowsKey || isKnownBy)
    return 'One of the two persons has issued a key of the other. Somebody whom neither of them has made decides it.';
  return undefined;
}

/** The principal of the stack's own secret, which makes the first others. */
export const ROOT_ID = 'root';
