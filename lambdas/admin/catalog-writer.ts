/** Writes of the control plane to accounts, and the policy in force for those who look something up in it. */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { type Account, type KeyStatus, parseAccount } from '../../core/limits/account.ts';
import { type AccountSetup, planCreate, planStatus } from '../../core/limits/account-setup.ts';
import { readScope } from '../../core/limits/account-store.ts';
import type { Moment } from '../../core/limits/denial.ts';
import { setUpScope } from '../../core/limits/shard-setup.ts';
import { shardCount, shardKey } from '../../core/limits/shards.ts';
import { accountKey, type Scope } from '../../core/tenancy/scopes.ts';
import { createDynamoAccounts } from '../adapters/dynamo-accounts.ts';
import { overSdk } from '../adapters/dynamo-sdk.ts';
import { createPolicyStore, type PolicyStore } from './policy-store.ts';

export interface CatalogWriter {
  readonly policies: PolicyStore;
  currentPolicy(): Promise<{ version: number; snapshot: unknown; source: string } | undefined>;
  /** Brings the scope's accounts to the setup; what they have granted is counted at the moment. */
  setUpAccount(scope: Scope, setup: AccountSetup, at: Moment): Promise<void>;
  /** The scope's accounts as one. */
  account(scope: Scope): Promise<Account | undefined>;
  /** False when there is no such account. */
  setStatus(scope: Scope, status: KeyStatus): Promise<boolean>;
  /** The account of a scope that has none; false when it has one. */
  createAccount(scope: Scope, setup: AccountSetup): Promise<boolean>;
}

export interface CatalogTables {
  readonly client: DynamoDBClient;
  readonly catalogTable: string;
  readonly accountsTable: string;
}

export function createCatalogWriter({
  client,
  catalogTable,
  accountsTable,
}: CatalogTables): CatalogWriter {
  const accounts = createDynamoAccounts({ dynamo: overSdk(client), tableName: accountsTable });
  const policies = createPolicyStore({ client, catalogTable });

  return {
    policies,
    async currentPolicy() {
      const pointer = await policies.pointer();
      if (pointer === undefined) return undefined;
      const { version } = pointer;
      const [snapshot, { source }] = await Promise.all([
        policies.snapshot(version),
        policies.version(version),
      ]);
      return { version, snapshot, source };
    },
    async setUpAccount(scope, setup, at) {
      const key = accountKey(scope);
      if (!(await setUpScope(accounts, key, { setup, at })))
        throw new Error(`the accounts of ${key} kept changing`);
    },
    account: (scope) => readScope(accounts, accountKey(scope)),
    async setStatus(scope, status) {
      const key = accountKey(scope);
      // The first account first: shards that are made from now on take the status over from it.
      const { kind, item } = await accounts.write(key, planStatus(status));
      if (kind === 'refused' || item === undefined) return false;
      const { shards } = parseAccount(item);
      const others = Array.from({ length: shards - 1 }, (_, index) => shardKey(key, index + 1));
      await Promise.all(others.map((each) => accounts.write(each, planStatus(status))));
      return true;
    },
    async createAccount(scope, setup) {
      // Shards come with the setup of a scope, which looks at all of them.
      if (shardCount(setup.limits) > 1) return false;
      return (await accounts.write(accountKey(scope), planCreate(setup))).kind === 'applied';
    },
  };
}
