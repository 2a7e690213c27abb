/**
 * Applies a policy file: checked whole, stored under a new version, put in force by one conditional
 * write, then the accounts' limits follow. A file with an error, or one that lost a race, changes nothing.
 */
import type { KeyRecord } from '../../core/catalog/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import {
  type CompiledPolicy,
  compilePolicy,
  type KeyDeclaration,
} from '../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../core/policy/parse-policy.ts';
import { formatPolicyError } from '../../core/policy/policy-error.ts';
import { keyIdOf } from '../../core/tenancy/virtual-key.ts';
import type { CatalogWriter } from './catalog-writer.ts';

export type ApplyResult =
  | { readonly kind: 'applied'; readonly version: number; readonly accounts: number }
  | { readonly kind: 'invalid'; readonly errors: readonly string[] }
  | { readonly kind: 'conflict' };

/** Accounts are written so many at a time. */
const PARALLEL_WRITES = 16;

export async function applyPolicy(
  writer: CatalogWriter,
  clock: Clock,
  source: string,
): Promise<ApplyResult> {
  const parsed = parsePolicy(source, 'policy.yaml');
  if (parsed.kind === 'invalid')
    return { kind: 'invalid', errors: parsed.errors.map(formatPolicyError) };
  const current = await writer.currentPolicy();
  let version = (current?.version ?? 0) + 1;
  let compiled = compilePolicy(parsed.policy, version, clock.nowMs());
  // A number is taken when an earlier apply died before its switch; the next one is free.
  while (!(await writer.storePolicy(compiled.snapshot, source))) {
    version += 1;
    compiled = compilePolicy(parsed.policy, version, clock.nowMs());
  }
  if (!(await writer.switchPolicy(current?.version, version))) return { kind: 'conflict' };
  await writer.copyLatest(compiled.snapshot);
  await writeAccounts(writer, clock, compiled);
  for (const declaration of compiled.keys) await writeKey(writer, clock, declaration);
  return { kind: 'applied', version, accounts: compiled.accounts.length };
}

async function writeAccounts(
  writer: CatalogWriter,
  clock: Clock,
  { accounts, snapshot: { version, timeZone } }: CompiledPolicy,
): Promise<void> {
  const rest = [...accounts];
  const worker = async () => {
    for (let account = rest.pop(); account !== undefined; account = rest.pop()) {
      const { scope, limits } = account;
      const at = momentOf(clock.nowMs(), calendarDay(clock.nowMs(), timeZone));
      await writer.setUpAccount(scope, { limits, policyVersion: version }, at);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_WRITES }, worker));
}

/** A key whose secret exists already; the others are made by the keys endpoint. */
async function writeKey(
  writer: CatalogWriter,
  clock: Clock,
  declaration: KeyDeclaration,
): Promise<void> {
  const { secretHash } = declaration;
  if (secretHash === undefined) return;
  const keyId = keyIdOf(secretHash);
  const known = await writer.findKey(keyId);
  const { tenantId, teamId, projectId, owner, features } = declaration;
  const { pinnedTags, limits, priority, expiresAtMs } = declaration;
  const record: KeyRecord = {
    keyId,
    tenantId,
    teamId,
    projectId,
    owner,
    pinnedTags: { ...pinnedTags },
    features: [...features],
    limits,
    priority,
    createdAtMs: known?.createdAtMs ?? clock.nowMs(),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  };
  await writer.storeKey(secretHash, record);
}
