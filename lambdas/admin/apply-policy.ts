/**
 * Changes the policy, whichever way the change came: read the version in force, edit its tree, judge it whole, ask
 * whether this principal may change each path, store a new version, put it in force by one conditional write, and
 * bring what differs to the accounts. A change that is refused, or that lost its race, changes nothing (ADR 0021).
 */
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import type { EpochMs } from '../../core/clock.ts';
import { type Edit, type Edited, editPolicy } from '../../core/governance/change.ts';
import type { TreeChange } from '../../core/governance/diff.ts';
import { forbiddenPaths } from '../../core/governance/permissions.ts';
import type { Principal } from '../../core/governance/principal.ts';
import { withOverrides } from '../../core/governance/raises-of.ts';
import { EMPTY, type Tree } from '../../core/governance/tree.ts';
import { compilePolicy } from '../../core/policy/compile-policy.ts';
import type { Policy } from '../../core/policy/policy-schema.ts';
import type { CatalogWriter } from './catalog-writer.ts';
import { orphanedKeys } from './orphaned-keys.ts';
import type { PolicyVersion } from './policy-store.ts';
import { type RollOutPorts, type Rollout, rollOut } from './roll-out.ts';

/** What the audit has to know of a change before it is made. */
export interface ChangeRecord {
  readonly request: ChangeRequest;
  readonly version: number;
  readonly changes: readonly TreeChange[];
}

/** With items that are written in the same transaction. */
type PutInForce = (beside: readonly TransactWriteItem[]) => Promise<boolean>;

export interface ChangePorts extends RollOutPorts {
  /** Puts the change in force together with its record in the audit log, or neither. */
  readonly recorded: (record: ChangeRecord, put: PutInForce) => Promise<boolean>;
}

export interface ChangeRequest {
  readonly principal: Principal;
  readonly edit: Edit;
  /** The file's own text, where the change is one. */
  readonly source?: string;
  /** The version that the change was made for; any when absent. */
  readonly ifMatch?: number | undefined;
  readonly operation: string;
  readonly reason: string | undefined;
  readonly sourceIp: string;
  readonly requestId: string;
}

export type ChangeResult =
  | {
      readonly kind: 'changed';
      readonly version: number;
      readonly tree: Tree;
      readonly changes: readonly TreeChange[];
      readonly rollout: Rollout;
    }
  | Exclude<Edited, { kind: 'edited' }>
  | { readonly kind: 'forbidden'; readonly paths: readonly string[] }
  /** Keys that the API has made belong to what is to be removed. */
  | { readonly kind: 'in-use'; readonly keyIds: readonly string[] }
  /** Another version is in force than the one that the change was made for. */
  | { readonly kind: 'outdated'; readonly version: number }
  /** Another change came first. */
  | { readonly kind: 'conflict' }
  /** Too many versions are still on their way to the accounts. */
  | { readonly kind: 'rolling-out'; readonly rollout: Rollout };

/** An edit of one object is made again on the version that came first; more often, and somebody changes in a loop. */
const MAX_ATTEMPTS = 8;
/** Of the half minute that API Gateway leaves; the rest of a rollout is for the next call. */
const ROLLOUT_MS = 15_000;
/** Versions whose rollout has not ended; what they left behind in accounts has to be known to be undone. */
const MAX_PENDING = 8;
/** Stands for anything: of a version 0 nothing can be read. */
const ANYTHING = 0;

export async function changePolicy(
  ports: ChangePorts,
  request: ChangeRequest,
): Promise<ChangeResult> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const result = await changeOnce(ports, request);
    const isLost = result.kind === 'conflict' && request.edit.kind !== 'file';
    if (!isLost) return result;
  }
  return { kind: 'conflict' };
}

async function changeOnce(ports: ChangePorts, request: ChangeRequest): Promise<ChangeResult> {
  const { writer, clock } = ports;
  const { policies } = writer;
  const deadlineMs = clock.nowMs() + ROLLOUT_MS;
  const pointer = await policies.pointer();
  if (pointer !== undefined && pointer.pending.length >= MAX_PENDING) {
    const rollout = await rollOut(ports, deadlineMs);
    if (rollout !== undefined && rollout.done < rollout.total)
      return { kind: 'rolling-out', rollout };
    return { kind: 'conflict' };
  }
  const before = await versionOf(writer, pointer?.version);
  if (request.ifMatch !== undefined && request.ifMatch !== before.version)
    return { kind: 'outdated', version: before.version };
  const edited = editPolicy(before.tree, request.edit);
  if (edited.kind !== 'edited') return edited;
  const { tree, changes, policy } = edited;
  const trees = { before: before.tree, after: tree };
  const paths = forbiddenPaths(request.principal, changes, trees);
  if (paths.length > 0) return { kind: 'forbidden', paths };
  // A file's plan names these keys; an object is removed without one.
  const keyIds = request.edit.kind === 'file' ? [] : await orphanedKeys(ports.keys, changes, trees);
  if (keyIds.length > 0) return { kind: 'in-use', keyIds };
  if (changes.length === 0 && request.source === undefined)
    return unchanged(ports, before, deadlineMs);
  const version = await store(ports, policy, after(before, tree, request.source));
  const to = {
    version,
    ...(pointer === undefined ? {} : { previous: pointer.version }),
    pending: pointer === undefined ? [ANYTHING] : [...pointer.pending, pointer.version],
    done: 0,
  };
  const switched = await ports.recorded({ request, version, changes }, (beside) =>
    policies.switchTo(pointer?.version, to, beside),
  );
  if (!switched) return { kind: 'conflict' };
  await policies.copyLatest(version);
  const rollout = (await rollOut(ports, deadlineMs)) ?? { version, done: 0, total: 0 };
  return { kind: 'changed', version, tree, changes, rollout };
}

async function unchanged(
  ports: ChangePorts,
  { version, tree }: PolicyVersion,
  deadlineMs: EpochMs,
): Promise<ChangeResult> {
  const rollout = (await rollOut(ports, deadlineMs)) ?? { version, done: 0, total: 0 };
  return { kind: 'changed', version, tree, changes: [], rollout };
}

/** The version in force, or the nothing before the first one. */
export async function versionOf(
  { policies }: Pick<CatalogWriter, 'policies'>,
  version: number | undefined,
): Promise<PolicyVersion> {
  return version === undefined
    ? { version: 0, tree: EMPTY, source: '', fileVersion: 0 }
    : policies.version(version);
}

/** A file is its own origin; a changed object keeps the file that it departs from. */
function after(before: PolicyVersion, tree: Tree, source: string | undefined): PolicyVersion {
  const version = before.version + 1;
  return source === undefined
    ? { ...before, version, tree }
    : { version, tree, source, fileVersion: version };
}

/** A number is taken when an earlier change died before its switch, or is in a race with this one; the next one is free. */
async function store(
  { writer: { policies }, overrides, clock }: ChangePorts,
  policy: Policy,
  wanted: PolicyVersion,
): Promise<number> {
  // Read after the pointer: an override that is approved later makes a version of its own, or this one loses its race.
  const known = await overrides.all();
  for (let version = wanted.version; ; version += 1) {
    const nowMs = clock.nowMs();
    const { snapshot } = withOverrides(compilePolicy(policy, version, nowMs), known, nowMs);
    const isFile = wanted.fileVersion === wanted.version;
    const document = { ...wanted, version, ...(isFile ? { fileVersion: version } : {}) };
    if (await policies.store(document, snapshot)) return version;
  }
}
