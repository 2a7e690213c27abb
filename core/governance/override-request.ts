/** What an override may ask for, of which policy. Reads amounts as the policy file does; decides nothing about persons. */
import type { PolicySnapshot } from '../catalog/snapshot.ts';
import type { EpochMs } from '../clock.ts';
import { DIMENSIONS, type Dimension } from '../limits/dimensions.ts';
import { isOfPeriod } from '../limits/soft.ts';
import { parseCount, parseNanoUsd } from '../policy/units.ts';
import { accountKey } from '../tenancy/scopes.ts';
import type { OverriddenScope, Override } from './overrides.ts';
import type { Principal, Target } from './principal.ts';
import { planOfScope } from './raises-of.ts';

export interface OverrideWish {
  readonly kind: Override['kind'];
  readonly scope: OverriddenScope;
  readonly to?: OverriddenScope | undefined;
  readonly dimension: Dimension;
  /** As people write it: "$500", "10M". */
  readonly amount?: string | undefined;
  readonly untilMs?: number | undefined;
  readonly reason: string;
}

export interface Asking {
  readonly id: string;
  readonly by: Principal;
  readonly policy: PolicySnapshot;
  readonly nowMs: EpochMs;
  readonly expiresAtMs: EpochMs;
}

export type Asked =
  | { readonly kind: 'asked'; readonly override: Override }
  | { readonly kind: 'refused'; readonly reason: string };

const DAY_MS = 86_400_000;
const MAX_RAISE_MS = 92 * DAY_MS;

export function askForOverride(wish: OverrideWish, asking: Asking): Asked {
  const { kind, scope, to, dimension, untilMs, reason } = wish;
  const { id, by, policy, nowMs, expiresAtMs } = asking;
  const refusal = refusalOf(wish, policy, nowMs);
  if (refusal !== undefined) return { kind: 'refused', reason: refusal };
  const amount = kind === 'reset' ? 0 : amountOf(dimension, wish.amount);
  if (amount === undefined)
    return { kind: 'refused', reason: 'amount: such as $500 for money and 10M for anything else.' };
  return {
    kind: 'asked',
    override: {
      id,
      kind,
      scope,
      ...(to === undefined ? {} : { to }),
      dimension,
      amount,
      ...(untilMs === undefined ? {} : { untilMs }),
      reason,
      state: 'requested',
      requestedBy: { id: by.id, name: by.name },
      requestedAtMs: nowMs,
      expiresAtMs,
    },
  };
}

/** Whose the scope is. A project that the policy does not have is only its tenant's. */
export function targetOfScope(scope: OverriddenScope, { projects }: PolicySnapshot): Target {
  const { tenantId } = scope;
  if (scope.kind === 'tenant') return { tenantId };
  if (scope.kind !== 'project') return { tenantId, teamId: scope.teamId };
  const project = projects.find(
    (each) => each.tenantId === tenantId && each.id === scope.projectId,
  );
  return project === undefined ? { tenantId } : { tenantId, teamId: project.teamId };
}

function refusalOf(wish: OverrideWish, policy: PolicySnapshot, nowMs: EpochMs): string | undefined {
  const { kind, scope, to, dimension, amount, untilMs } = wish;
  const { label } = DIMENSIONS[dimension];
  const isLimited = (of: OverriddenScope) => planOfScope(policy, of)?.[dimension] !== undefined;
  if (!isLimited(scope)) return `scope: the policy has no limit of ${label} for it.`;
  if ((kind === 'transfer') !== (to !== undefined))
    return 'to: where a transfer goes, and only a transfer.';
  if ((kind === 'raise') !== (untilMs !== undefined))
    return 'untilMs: when a raise ends; the others end with their period.';
  if ((kind === 'reset') !== (amount === undefined))
    return 'amount: how much; a reset clears what was spent.';
  if (kind !== 'raise' && !isOfPeriod(dimension))
    return 'dimension: one of a day or a month; only a raise may be of another.';
  if (untilMs !== undefined && (untilMs <= nowMs || untilMs > nowMs + MAX_RAISE_MS))
    return 'untilMs: a moment from now to 92 days from now.';
  if (to === undefined) return undefined;
  if (!isLimited(to)) return `to: the policy has no limit of ${label} for it.`;
  if (to.tenantId !== scope.tenantId) return 'to: a scope of the same tenant.';
  return accountKey(to) === accountKey(scope) ? 'to: another scope.' : undefined;
}

const MAX_AMOUNT = 1_000_000_000_000_000;

function amountOf(dimension: Dimension, text = ''): number | undefined {
  const amount = DIMENSIONS[dimension].counts === 'nanoUsd' ? parseNanoUsd(text) : parseCount(text);
  return amount !== undefined && amount > 0 && amount <= MAX_AMOUNT ? amount : undefined;
}
