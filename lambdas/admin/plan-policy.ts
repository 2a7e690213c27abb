/** What a policy file would do: its changes against what is in force, what drifted since the last file, and the consequences. */
import type { KeyRecord } from '../../core/catalog/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import { editPolicy } from '../../core/governance/change.ts';
import { diffTrees, showChange, type TreeChange } from '../../core/governance/diff.ts';
import { type Lowered, loweredLimits, planRollout } from '../../core/governance/rollout.ts';
import { at, isMapping, type Tree } from '../../core/governance/tree.ts';
import type { Account } from '../../core/limits/account.ts';
import { type Moment, usedOf } from '../../core/limits/denial.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import { type CompiledPolicy, compilePolicy } from '../../core/policy/compile-policy.ts';
import { checkTree, parsePolicy } from '../../core/policy/parse-policy.ts';
import type { PolicyError } from '../../core/policy/policy-error.ts';
import { scopeLabel } from '../../core/tenancy/scopes.ts';
import { versionOf } from './apply-policy.ts';
import type { CatalogWriter } from './catalog-writer.ts';

export interface PlanPorts {
  readonly writer: CatalogWriter;
  readonly clock: Clock;
}

export type Plan =
  | { readonly kind: 'invalid'; readonly errors: readonly PolicyError[] }
  | { readonly kind: 'plan'; readonly version: number; readonly body: object };

/** Accounts that are read to see what they have used; a plan that lowers more says so. */
const MAX_READS = 500;
const MAX_NAMED = 100;

export async function planPolicy(ports: PlanPorts, source: string): Promise<Plan> {
  const { writer, clock } = ports;
  const parsed = parsePolicy(source, 'policy.yaml');
  if (parsed.kind === 'invalid') return parsed;
  const before = await versionOf(writer, (await writer.policies.pointer())?.version);
  const edited = editPolicy(before.tree, { kind: 'file', tree: parsed.tree });
  if (edited.kind !== 'edited') throw new Error('a checked file is a valid tree');
  const now = compiled(before.tree, clock);
  const next = compilePolicy(parsed.policy, before.version + 1, clock.nowMs());
  const steps = planRollout([now], next);
  const lowered = loweredLimits(now ?? NOTHING, next);
  const drift = await driftOf(writer, before);
  const body = {
    version: before.version,
    changes: edited.changes.map(showChange),
    drift: drift.map(showChange),
    consequences: {
      accounts: steps.length,
      keysRevoked: steps.flatMap((step) => (step.kind === 'revoke' ? [step.keyId] : [])),
      keysOrphaned: await orphans(writer, edited.changes, parsed.tree),
      limitsBelowUse: await belowUse(writer, lowered, momentIn(next, clock)),
      limitsNotCompared: Math.max(0, lowered.length - MAX_READS),
    },
  };
  return { kind: 'plan', version: before.version, body };
}

/** What was changed by other ways since the last file was applied; a file that lacks it takes it back. */
export async function driftOf(
  { policies }: Pick<CatalogWriter, 'policies'>,
  { version, fileVersion, tree }: { version: number; fileVersion: number; tree: Tree },
): Promise<readonly TreeChange[]> {
  if (version === fileVersion) return [];
  return diffTrees((await policies.version(fileVersion)).tree, tree);
}

const NOTHING = { accounts: [], keys: [] };

function compiled(tree: Tree, clock: Clock): CompiledPolicy | undefined {
  const checked = checkTree(tree);
  return checked.kind === 'ok' ? compilePolicy(checked.policy, 0, clock.nowMs()) : undefined;
}

function momentIn({ snapshot: { timeZone } }: CompiledPolicy, clock: Clock): Moment {
  return momentOf(clock.nowMs(), calendarDay(clock.nowMs(), timeZone));
}

/** Keys that the API has made and whose team or project goes: their calls are refused from then on. */
async function orphans(
  writer: CatalogWriter,
  changes: readonly TreeChange[],
  after: Tree,
): Promise<readonly string[]> {
  const mayOrphan = changes.some(
    ({ path, before, after: value }) =>
      path[0] === 'tenants' && (isMapping(before) || path.at(-1) === 'team') && value !== before,
  );
  if (!mayOrphan) return [];
  const isOrphan = ({ tenantId, teamId, projectId }: KeyRecord) =>
    at(after, ['tenants', tenantId, 'projects', projectId, 'team']) !== teamId;
  const orphaned = (await writer.allKeys()).filter(isOrphan);
  return orphaned.slice(0, MAX_NAMED).map(({ keyId }) => keyId);
}

async function belowUse(
  writer: CatalogWriter,
  lowered: readonly Lowered[],
  moment: Moment,
): Promise<readonly object[]> {
  const compared = await Promise.all(
    lowered.slice(0, MAX_READS).map(async ({ scope, limits }) => {
      const account = await writer.account(scope);
      if (account === undefined) return [];
      return limits.flatMap(({ dimension, limit }) => {
        const used = usedIn(account, dimension, moment);
        return used > limit ? [{ scope: scopeLabel(scope), dimension, limit, used }] : [];
      });
    }),
  );
  return compared.flat();
}

function usedIn(account: Account, dimension: Lowered['limits'][number]['dimension'], at_: Moment) {
  return Math.max(0, usedOf(dimension, account, at_));
}
