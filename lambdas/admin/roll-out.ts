/**
 * Brings the policy in force to accounts and key records: only what differs, in batches, with its progress beside the
 * pointer. Whoever comes next goes on where the last one stopped, or died.
 */
import type { Clock, EpochMs } from '../../core/clock.ts';
import type { Override } from '../../core/governance/overrides.ts';
import { withOverrides } from '../../core/governance/raises-of.ts';
import { type KeyStep, planRollout, type Step } from '../../core/governance/rollout.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import { type CompiledPolicy, compilePolicy } from '../../core/policy/compile-policy.ts';
import { checkTree } from '../../core/policy/parse-policy.ts';
import { declaredRecord } from '../../core/tenancy/declared-key.ts';
import type { Register } from '../adapters/register.ts';
import type { CatalogWriter } from './catalog-writer.ts';
import { declareKeys, setKeyStatus } from './key-changes.ts';
import type { KeyStore } from './key-store.ts';
import type { PolicyStore, PolicyVersion } from './policy-store.ts';

export interface RollOutPorts {
  readonly writer: CatalogWriter;
  readonly keys: KeyStore;
  readonly overrides: Pick<Register<Override>, 'all'>;
  readonly clock: Clock;
}

export interface Rollout {
  readonly version: number;
  readonly done: number;
  readonly total: number;
}

/** Steps taken at the same time, and between two looks at the clock and at the pointer. */
const BATCH = 100;

/** Undefined when no policy has been applied yet. */
export async function rollOut(
  ports: RollOutPorts,
  deadlineMs: EpochMs,
): Promise<Rollout | undefined> {
  const { policies } = ports.writer;
  const pointer = await policies.pointer();
  if (pointer === undefined) return undefined;
  const { version, pending } = pointer;
  if (pending.length === 0) return { version, done: pointer.done, total: pointer.done };
  // Read after the pointer: an override that is approved later makes a version of its own.
  const raised = raising(await ports.overrides.all(), ports.clock.nowMs());
  const compiled = async (each: number) =>
    raised(await compiledVersion(policies, each, ports.clock));
  const target = await compiled(version);
  if (target === undefined) throw new Error(`policy version ${version} cannot be read`);
  const earlier = await Promise.all(pending.map(compiled));
  // Of a version that cannot be read nobody knows what it left behind, so that everything is written.
  const steps = planRollout(earlier, target);
  const total = steps.length;
  let { done } = pointer;
  while (done < total && ports.clock.nowMs() < deadlineMs) {
    const batch = steps.slice(done, done + BATCH);
    await Promise.all(batch.map((step) => takeStep(ports, target, step)));
    await storeRecords(ports, target, batch);
    done += batch.length;
    // A version that came meanwhile has this one among its pending ones and finishes the work.
    if (!(await policies.saveProgress(version, { pending, done }))) return { version, done, total };
  }
  if (done >= total) await policies.saveProgress(version, { pending: [], done: total });
  return { version, done: Math.min(done, total), total };
}

/** The version's accounts and keys; undefined where it cannot be read or is valid no more. */
async function compiledVersion(
  policies: PolicyStore,
  version: number,
  clock: Clock,
): Promise<CompiledPolicy | undefined> {
  const document = await policies.version(version);
  const known = compiledDocuments.get(document);
  if (known !== undefined) return known;
  const checked = checkTree(document.tree);
  if (checked.kind === 'invalid') return undefined;
  const compiled = compilePolicy(checked.policy, version, clock.nowMs());
  compiledDocuments.set(document, compiled);
  return compiled;
}

/** A version is immutable, and a rollout of many steps comes back to it with every call. */
const compiledDocuments = new WeakMap<PolicyVersion, CompiledPolicy>();

async function takeStep(
  { writer, keys, clock }: RollOutPorts,
  { snapshot: { version, timeZone } }: CompiledPolicy,
  step: Step,
): Promise<void> {
  const at = momentOf(clock.nowMs(), calendarDay(clock.nowMs(), timeZone));
  switch (step.kind) {
    case 'account':
      return writer.setUpAccount(step.scope, { limits: step.limits, policyVersion: version }, at);
    case 'revoke':
      await setKeyStatus({ keys, accounts: writer, clock }, step.keyId, 'revoked');
      return;
    case 'suspend':
      await writer.setStatus({ kind: 'key', keyId: step.keyId }, 'suspended');
      return;
    case 'key': {
      const scope = { kind: 'key', keyId: step.keyId } as const;
      const setup = { limits: step.declaration.limits, policyVersion: version };
      // Most keys are new, and a new account needs no look at what it has granted.
      if (!(await writer.createAccount(scope, setup))) await writer.setUpAccount(scope, setup, at);
    }
  }
}

/** After the accounts: a key that can be found must have the account that says it is active. */
async function storeRecords(
  { writer, keys, clock }: RollOutPorts,
  { snapshot }: CompiledPolicy,
  batch: readonly Step[],
): Promise<void> {
  const declared = batch.filter((step): step is KeyStep => step.kind === 'key');
  await declareKeys(
    { keys, accounts: writer, clock },
    declared.map(({ keyId, keyHash, declaration }) => ({
      keyId,
      keyHash,
      record: (known) =>
        declaredRecord({
          keyId,
          declaration,
          known,
          nowMs: clock.nowMs(),
          maxAgeMs: keyHash === undefined ? undefined : snapshot.keyMaxAgeMs,
        }),
    })),
  );
}

function raising(overrides: readonly Override[], nowMs: EpochMs) {
  return (compiled: CompiledPolicy | undefined) =>
    compiled === undefined ? undefined : withOverrides(compiled, overrides, nowMs);
}
