/**
 * Brings the policy in force to accounts and key records: only what differs, in batches, with its progress beside the
 * pointer. Whoever comes next goes on where the last one stopped, or died.
 */
import type { KeyRecord } from '../../core/catalog/snapshot.ts';
import type { Clock, EpochMs } from '../../core/clock.ts';
import { planRollout, type Step } from '../../core/governance/rollout.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import {
  type CompiledPolicy,
  compilePolicy,
  type KeyDeclaration,
} from '../../core/policy/compile-policy.ts';
import { checkTree } from '../../core/policy/parse-policy.ts';
import { keyIdOf } from '../../core/tenancy/virtual-key.ts';
import type { CatalogWriter } from './catalog-writer.ts';
import type { PolicyStore, PolicyVersion } from './policy-store.ts';

export interface RollOutPorts {
  readonly writer: CatalogWriter;
  readonly clock: Clock;
}

export interface Rollout {
  readonly version: number;
  readonly done: number;
  readonly total: number;
}

/** Steps taken at the same time, and between two looks at the clock and at the pointer. */
const BATCH = 64;

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
  const target = await compiledVersion(policies, version, ports.clock);
  if (target === undefined) throw new Error(`policy version ${version} cannot be read`);
  const earlier = await Promise.all(
    pending.map((each) => compiledVersion(policies, each, ports.clock)),
  );
  // Of a version that cannot be read nobody knows what it left behind, so that everything is written.
  const steps = planRollout(earlier, target);
  const total = steps.length;
  let { done } = pointer;
  while (done < total && ports.clock.nowMs() < deadlineMs) {
    const batch = steps.slice(done, done + BATCH);
    await Promise.all(batch.map((step) => takeStep(ports, target, step)));
    await storeRecords(ports, batch);
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
  { writer, clock }: RollOutPorts,
  { snapshot: { version, timeZone } }: CompiledPolicy,
  step: Step,
): Promise<void> {
  const at = momentOf(clock.nowMs(), calendarDay(clock.nowMs(), timeZone));
  switch (step.kind) {
    case 'account':
      return writer.setUpAccount(step.scope, { limits: step.limits, policyVersion: version }, at);
    case 'revoke':
      await writer.setStatus({ kind: 'key', keyId: step.keyId }, 'revoked');
      return;
    case 'key': {
      const scope = { kind: 'key', keyId: keyIdOf(step.secretHash) } as const;
      const setup = { limits: step.declaration.limits, policyVersion: version };
      // Most keys are new, and a new account needs no look at what it has granted.
      if (!(await writer.createAccount(scope, setup))) await writer.setUpAccount(scope, setup, at);
    }
  }
}

/** After the accounts: a key that can be found must have the account that says it is active. */
async function storeRecords(
  { writer, clock }: RollOutPorts,
  batch: readonly Step[],
): Promise<void> {
  const declared = batch.filter((step) => step.kind === 'key');
  const known = await writer.findKeys(declared.map(({ secretHash }) => keyIdOf(secretHash)));
  const created = new Map(known.map(({ keyId, createdAtMs }) => [keyId, createdAtMs]));
  const records = declared.map(({ secretHash, declaration }) => {
    const keyId = keyIdOf(secretHash);
    const record = recordOf(keyId, declaration, created.get(keyId) ?? clock.nowMs());
    return { keyHash: secretHash, record };
  });
  await writer.storeKeys(records);
}

/** A key whose secret exists already; the others are made by the keys endpoint. */
function recordOf(keyId: string, declaration: KeyDeclaration, createdAtMs: EpochMs): KeyRecord {
  const { name: _name, secretHash: _hash, features, pinnedTags, ...rest } = declaration;
  return { ...rest, keyId, features: [...features], pinnedTags: { ...pinnedTags }, createdAtMs };
}
