/**
 * Who may do what. Two questions: may this principal do such a thing there at all (`mayDo`, asked before an operation
 * runs), and which paths of the policy tree may it not change (`forbiddenPaths`, asked of every change, whichever way
 * it came). What is not allowed here by name is forbidden. Decides from values; knows no keys and no requests.
 */
import type { Principal, Role, Target } from './principal.ts';
import {
  type Change,
  isOwnCostCenter,
  isUsualPriority,
  isWithinReach,
  type Trees,
} from './reach.ts';

export type { Change } from './reach.ts';

export const PERMISSIONS = [
  'policy:read',
  'policy:write',
  'keys:read',
  'keys:write',
  'principals:read',
  'principals:write',
  'overrides:read',
  'overrides:request',
  'overrides:approve',
  'audit:read',
  'usage:read',
  'ledger:write',
  'invoices:write',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/**
 * `reach`: on what lies within the principal's reach. `changes`: on its tenant, because each changed path is judged
 * for itself by `forbiddenPaths`, and whose a project is stands in the tree and not in its address.
 */
type Grant = 'never' | 'reach' | 'changes';

const NOTHING = {
  'policy:read': 'never',
  'policy:write': 'never',
  'keys:read': 'never',
  'keys:write': 'never',
  'principals:read': 'never',
  'principals:write': 'never',
  'overrides:read': 'never',
  'overrides:request': 'never',
  'overrides:approve': 'never',
  'audit:read': 'never',
  'usage:read': 'never',
  'ledger:write': 'never',
  'invoices:write': 'never',
} as const satisfies Record<Permission, Grant>;

const GRANTS: Readonly<Record<Role, Readonly<Record<Permission, Grant>>>> = {
  'platform-admin': {
    'policy:read': 'reach',
    'policy:write': 'reach',
    'keys:read': 'reach',
    'keys:write': 'reach',
    'principals:read': 'reach',
    'principals:write': 'reach',
    'overrides:read': 'reach',
    'overrides:request': 'reach',
    'overrides:approve': 'reach',
    'audit:read': 'reach',
    'usage:read': 'reach',
    'ledger:write': 'reach',
    'invoices:write': 'reach',
  },
  'tenant-admin': {
    ...NOTHING,
    'policy:read': 'reach',
    'policy:write': 'changes',
    'keys:read': 'reach',
    'keys:write': 'reach',
    'principals:read': 'reach',
    'principals:write': 'reach',
    'overrides:read': 'reach',
    'overrides:request': 'reach',
    'overrides:approve': 'reach',
    'audit:read': 'reach',
    'usage:read': 'reach',
  },
  'team-lead': {
    ...NOTHING,
    'policy:read': 'reach',
    'policy:write': 'changes',
    'keys:read': 'reach',
    'keys:write': 'reach',
    'overrides:read': 'reach',
    'overrides:request': 'reach',
    'usage:read': 'reach',
  },
  finance: {
    ...NOTHING,
    'policy:read': 'reach',
    'overrides:read': 'reach',
    'usage:read': 'reach',
  },
  auditor: {
    ...NOTHING,
    'policy:read': 'reach',
    'keys:read': 'reach',
    'principals:read': 'reach',
    'overrides:read': 'reach',
    'audit:read': 'reach',
    'usage:read': 'reach',
  },
};

/**
 * The target of operations whose address is a record's id: whose the record is shows only when it is read. The role
 * is asked first, and the operation itself asks again with what the record says. Told from others by identity.
 */
export const OF_THE_RECORD: Target = Object.freeze({});

export function mayDo(principal: Principal, permission: Permission, target: Target): boolean {
  const grant = GRANTS[principal.role][permission];
  if (grant === 'never' || !isWellFormed(principal)) return false;
  if (target === OF_THE_RECORD) return true;
  const { tenantId, teamId } = principal;
  const isOwnTenant = tenantId === undefined || tenantId === target.tenantId;
  const isOwnTeam =
    teamId === undefined ||
    teamId === target.teamId ||
    (grant === 'changes' && target.teamId === undefined);
  return isOwnTenant && isOwnTeam;
}

/** Paths of the tree that the principal may not change so, in dots; empty when all is allowed. */
export function forbiddenPaths(
  principal: Principal,
  changes: readonly Change[],
  trees: Trees,
): readonly string[] {
  if (GRANTS[principal.role]['policy:write'] === 'never' || !isWellFormed(principal))
    return changes.map(({ path }) => path.join('.'));
  if (principal.role === 'platform-admin') return [];
  const { tenantId, teamId } = principal;
  if (tenantId === undefined) return changes.map(({ path }) => path.join('.'));
  const reach = { tenantId, ...(teamId === undefined ? {} : { teamId }) };
  return changes.flatMap((change) => isWithinReach(reach, change, trees));
}

interface KeyFields {
  readonly priority?: unknown;
  readonly pinnedTags: Readonly<Record<string, unknown>>;
}

/** Fields that the principal may not give a key of a team with this cost center, where no change of the tree makes it. */
export function forbiddenKeyFields(
  { role }: Principal,
  { priority, pinnedTags }: KeyFields,
  costCenter: string | undefined,
): readonly string[] {
  if (role === 'platform-admin') return [];
  return [
    ...(isUsualPriority(priority) ? [] : ['priority']),
    ...(isOwnCostCenter(pinnedTags['cost_center'], costCenter) ? [] : ['pinnedTags.cost_center']),
  ];
}

/** Which roles a principal may give to others: none above its own, and only where its own reaches. */
const GIVES: Readonly<Record<Role, readonly Role[]>> = {
  'platform-admin': ['platform-admin', 'tenant-admin', 'team-lead', 'finance', 'auditor'],
  'tenant-admin': ['tenant-admin', 'team-lead', 'finance', 'auditor'],
  'team-lead': [],
  finance: [],
  auditor: [],
};

/** May the giver make, change or end a principal of this role and reach? */
export function mayGrant(giver: Principal, given: Pick<Principal, 'role'> & Target): boolean {
  return (
    GIVES[giver.role].includes(given.role) &&
    isWellFormed(given) &&
    mayDo(giver, 'principals:write', given)
  );
}

/** Every role has the reach that it needs and none that it must not have. */
export function isWellFormed({ role, tenantId, teamId }: Pick<Principal, 'role'> & Target) {
  switch (role) {
    case 'platform-admin':
      return tenantId === undefined && teamId === undefined;
    case 'tenant-admin':
      return tenantId !== undefined && teamId === undefined;
    case 'team-lead':
      return tenantId !== undefined && teamId !== undefined;
    case 'finance':
    case 'auditor':
      return teamId === undefined;
  }
}
