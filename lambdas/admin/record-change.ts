/** A change of the policy in the audit log: in force together with its record, or neither. */
import type { Clock } from '../../core/clock.ts';
import { type AuditRecord, auditRecord } from '../../core/governance/audit.ts';
import type { TreeChange } from '../../core/governance/diff.ts';
import type { Target } from '../../core/governance/principal.ts';
import { EMPTY, put, type Tree } from '../../core/governance/tree.ts';
import type { AuditLog } from '../adapters/audit-log.ts';
import type { ChangePorts, ChangeRecord } from './apply-policy.ts';
import { withAudit } from './with-audit.ts';

export function recordChanges(
  log: Pick<AuditLog, 'item' | 'ship'>,
  clock: Clock,
): ChangePorts['recorded'] {
  return (change, putInForce) =>
    withAudit(log, recordOf(change, clock), (item) => putInForce([item]));
}

/** A record has a bound; the versions of the policy have all of it. */
const MAX_SHOWN = 500;

function recordOf({ request, version, changes }: ChangeRecord, clock: Clock): AuditRecord {
  const { operation, edit } = request;
  const isFile = edit.kind === 'file';
  const shown = changes.slice(0, MAX_SHOWN);
  return auditRecord(
    request,
    {
      operation,
      object: isFile ? 'policy' : edit.path.join('/'),
      target: targetOf(changes),
      before: treeOf(shown, ({ before }) => before),
      after: treeOf(shown, ({ after }) => after),
      via: isFile ? 'file' : 'api',
      policyVersion: version,
    },
    { atMs: clock.nowMs() },
  );
}

/** The parts of the tree that differ, where they stand in it. */
function treeOf(
  changes: readonly TreeChange[],
  of: (change: TreeChange) => Tree | undefined,
): Tree | undefined {
  return changes.reduce<Tree | undefined>((tree, change) => {
    const value = of(change);
    return value === undefined ? tree : put(tree ?? EMPTY, change.path, value);
  }, undefined);
}

/** The tenant, or the team, that all of it is about. */
function targetOf(changes: readonly TreeChange[]): Target {
  const tenantId = common(changes, ([top, tenant]) => (top === 'tenants' ? tenant : undefined));
  if (tenantId === undefined) return {};
  const teamId = common(changes, ([, , section, name]) => (section === 'teams' ? name : undefined));
  return { tenantId, ...(teamId === undefined ? {} : { teamId }) };
}

function common(
  changes: readonly TreeChange[],
  of: (path: readonly string[]) => string | undefined,
): string | undefined {
  const [first, ...others] = new Set(changes.map(({ path }) => of(path)));
  return others.length === 0 ? first : undefined;
}
