/** The policy of a run, and a key for each of its projects. */
import type { KeyRecord } from '../core/catalog/snapshot.ts';
import { type CompiledPolicy, compilePolicy } from '../core/policy/compile-policy.ts';
import { parsePolicy } from '../core/policy/parse-policy.ts';
import { teamOf } from '../core/routing/select-routes.ts';
import { planOfKey } from '../core/tenancy/scopes-of.ts';
import { hashKey, keyIdOf, newVirtualKey } from '../core/tenancy/virtual-key.ts';
import { benchPolicy, PROJECTS } from './policy.ts';

export type Keys = Readonly<Record<string, string>>;

export interface Company {
  readonly snapshot: CompiledPolicy['snapshot'];
  readonly accounts: CompiledPolicy['accounts'];
  readonly records: ReadonlyMap<string, KeyRecord>;
}

export function newKeys(): Keys {
  return Object.fromEntries(PROJECTS.map((project) => [project, newVirtualKey()]));
}

export function companyOf(providerUrl: string, keys: Keys): Company {
  const parsed = parsePolicy(benchPolicy(providerUrl), 'bench');
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.errors));
  const { snapshot, accounts } = compilePolicy(parsed.policy, 1, Date.now());
  const records = new Map<string, KeyRecord>();
  for (const { id: projectId, teamId, tenantId } of snapshot.projects) {
    const keyHash = hashKey(keys[projectId] ?? '');
    records.set(keyHash, {
      ...{ keyId: keyIdOf(keyHash), tenantId, teamId, projectId, owner: 'bench', limits: {} },
      ...{ createdAtMs: 0, pinnedTags: {}, features: [] },
    });
  }
  const keyAccounts = [...records.values()].map((key) => {
    const limits = planOfKey({ key, team: teamOf(snapshot, key), policy: snapshot });
    return { scope: { kind: 'key', keyId: key.keyId }, limits } as const;
  });
  return { snapshot, accounts: [...accounts, ...keyAccounts], records };
}
