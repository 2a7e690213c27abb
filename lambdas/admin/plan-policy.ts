/** What a policy file would do: its changes against what is in force, what drifted since the last file, and the consequences. */
import type { Clock } from '../../core/clock.ts';
import { editPolicy } from '../../core/governance/change.ts';
import { diffTrees, showChange, type TreeChange } from '../../core/governance/diff.ts';
import { withOverrides } from '../../core/governance/raises-of.ts';
import { type Lowered, loweredLimits, planRollout } from '../../core/governance/rollout.ts';
import type { Tree } from '../../core/governance/tree.ts';
import type { Account } from '../../core/limits/account.ts';
import { type Moment, usedOf } from '../../core/limits/denial.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import { type CompiledPolicy, compilePolicy } from '../../core/policy/compile-policy.ts';
import { checkTree, parsePolicy } from '../../core/policy/parse-policy.ts';
import type { PolicyError } from '../../core/policy/policy-error.ts';
import type { Policy } from '../../core/policy/policy-schema.ts';
import { scopeLabel } from '../../core/tenancy/scopes.ts';
import { versionOf } from './apply-policy.ts';
import type { CatalogWriter } from './catalog-writer.ts';
import { orphanedKeys } from './orphaned-keys.ts';
import type { RollOutPorts } from './roll-out.ts';

export type Plan =
  | { readonly kind: 'invalid'; readonly errors: readonly PolicyError[] }
  | { readonly kind: 'plan'; readonly version: number; readonly body: object };

/** Accounts that are read to see what they have used; a plan that lowers more says so. */
const MAX_READS = 500;

export async function planPolicy(ports: RollOutPorts, source: string): Promise<Plan> {
  const { writer, keys, overrides, clock } = ports;
  const parsed = parsePolicy(source, 'policy.yaml');
  if (parsed.kind === 'invalid') return parsed;
  const before = await versionOf(writer, (await writer.policies.pointer())?.version);
  const edited = editPolicy(before.tree, { kind: 'file', tree: parsed.tree });
  if (edited.kind !== 'edited') throw new Error('a checked file is a valid tree');
  const known = await overrides.all();
  const nowMs = clock.nowMs();
  const raised = (policy: Policy, version: number) =>
    withOverrides(compilePolicy(policy, version, nowMs), known, nowMs);
  const checked = checkTree(before.tree);
  const now = checked.kind === 'ok' ? raised(checked.policy, before.version) : undefined;
  const next = raised(parsed.policy, before.version + 1);
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
      keysOrphaned: await orphanedKeys(keys, edited.changes, {
        before: before.tree,
        after: parsed.tree,
      }),
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

const NOTHING = { accounts: [] };

function momentIn({ snapshot: { timeZone } }: CompiledPolicy, clock: Clock): Moment {
  return momentOf(clock.nowMs(), calendarDay(clock.nowMs(), timeZone));
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
