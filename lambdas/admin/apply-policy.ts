/**
 * Applies a policy file: checked whole, stored under a new version, put in force by one conditional
 * write, then the accounts' limits follow. A file with an error, or one that lost a race, changes nothing.
 */
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
import { declaredRecord } from '../../core/tenancy/declared-key.ts';
import { keyIdOf } from '../../core/tenancy/virtual-key.ts';
import type { CatalogWriter } from './catalog-writer.ts';
import { declareKey, type KeyPorts } from './key-changes.ts';

export type ApplyResult =
  | { readonly kind: 'applied'; readonly version: number; readonly accounts: number }
  | { readonly kind: 'invalid'; readonly errors: readonly string[] }
  | { readonly kind: 'conflict' };

/** Accounts are written so many at a time. */
const PARALLEL_WRITES = 16;

export interface ApplyPorts extends KeyPorts {
  readonly writer: CatalogWriter;
}

export async function applyPolicy(ports: ApplyPorts, source: string): Promise<ApplyResult> {
  const { writer, clock } = ports;
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
  for (const { keyId, keyHash, declaration } of storedKeysOf(compiled))
    await declareKey(ports, { keyId, keyHash }, (known) =>
      declaredRecord({
        keyId,
        declaration,
        known,
        nowMs: clock.nowMs(),
        maxAgeMs: keyHash === undefined ? undefined : compiled.snapshot.keyMaxAgeMs,
      }),
    );
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

interface StoredDeclaration {
  readonly keyId: string;
  readonly keyHash?: string;
  readonly declaration: KeyDeclaration;
}

/** Keys whose secrets exist already, and those that have none; the others are made by the keys endpoint. */
function storedKeysOf({ keys, ssoKeys }: CompiledPolicy): StoredDeclaration[] {
  return [
    ...keys.flatMap((declaration) => {
      const { secretHash: keyHash } = declaration;
      return keyHash === undefined ? [] : [{ keyId: keyIdOf(keyHash), keyHash, declaration }];
    }),
    ...ssoKeys.map((declaration) => ({ keyId: declaration.keyId, declaration })),
  ];
}
