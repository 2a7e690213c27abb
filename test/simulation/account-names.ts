/** Names of accounts, told again by plain text: whose they are, and which one a refusal speaks of. */
import type { KeyRecord, PolicySnapshot } from '../../core/catalog/snapshot.ts';
import type { LimitPlan } from '../../core/limits/schedule.ts';
import type { UsageEvent } from '../../core/usage/event.ts';

/** The scope's first account, of whichever of its accounts this is. */
export function scopeOf(account: string): string {
  return account.replace(/%\.\d+$/, '');
}

/** True for the accounts that the key's calls may be counted in. */
export function ownsAccount(key: KeyRecord, shard: string): boolean {
  const account = scopeOf(shard);
  const { keyId, tenantId, teamId, projectId } = key;
  const team = `${tenantId}/${teamId}`;
  const own = [
    `key/${keyId}`,
    `team/${team}`,
    `tenant/${tenantId}`,
    `project/${tenantId}/${projectId}`,
  ];
  const shared = ['pool/', `team-tier/${team}/`, `user/${team}/`];
  return own.includes(account) || shared.some((prefix) => account.startsWith(prefix));
}

/** The account that a label (`kind:name`) in the key's refusal means. */
export function labelledAccount(
  { tenantId, teamId }: Pick<KeyRecord, 'tenantId' | 'teamId'>,
  label: string,
): string {
  const colon = label.indexOf(':');
  const kind = label.slice(0, colon);
  const name = label.slice(colon + 1);
  switch (kind) {
    case 'provider':
      return `pool/${name}`;
    case 'key':
    case 'tenant':
      return `${kind}/${name}`;
    case 'user':
      return `user/${tenantId}/${teamId}/${name}`;
    default:
      return `${kind}/${tenantId}/${name}`;
  }
}

/** Every account that the policy limits, and how; keys and users have theirs elsewhere. */
export function limitedAccounts(policy: PolicySnapshot): (readonly [string, LimitPlan])[] {
  const accounts: (readonly [string, LimitPlan])[] = [];
  for (const { tenantId, id, limits, tierLimits = {} } of Object.values(policy.teams)) {
    accounts.push([`team/${tenantId}/${id}`, limits]);
    for (const [tier, tierLimit] of Object.entries(tierLimits))
      accounts.push([`team-tier/${tenantId}/${id}/${tier}`, tierLimit]);
  }
  for (const [tenantId, { limits, projectLimits }] of Object.entries(policy.tenants ?? {})) {
    accounts.push([`tenant/${tenantId}`, limits]);
    for (const [project, projectLimit] of Object.entries(projectLimits))
      accounts.push([`project/${tenantId}/${project}`, projectLimit]);
  }
  for (const { id, limits } of Object.values(policy.providers))
    if (limits !== undefined) accounts.push([`pool/${id}`, limits]);
  return accounts;
}

/** True for the pool of a provider that did not answer the call in the end. */
export function isPassedOver(account: string, { provider }: Pick<UsageEvent, 'provider'>): boolean {
  return account.startsWith('pool/') && scopeOf(account) !== `pool/${provider}`;
}
