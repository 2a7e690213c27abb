/** What the operations of governance stand on, over the tables and the audit log. */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Clock } from '../../core/clock.ts';
import { auditRecord } from '../../core/governance/audit.ts';
import type { AuditLog } from '../adapters/audit-log.ts';
import { createBatchedReads } from '../adapters/batched-reads.ts';
import { createDynamoAccounts, pauseRandomly } from '../adapters/dynamo-accounts.ts';
import { createDynamoCancellations } from '../adapters/dynamo-cancellations.ts';
import { overSdk } from '../adapters/dynamo-sdk.ts';
import { createRollupReader } from '../adapters/rollup-reader.ts';
import { createCatalogWriter } from './catalog-writer.ts';
import { enforceOverrides } from './enforce-overrides.ts';
import type { Audit } from './key-changes.ts';
import { createKeyStore } from './key-store.ts';
import { createOverrideAccounts } from './override-accounts.ts';
import { recordChanges } from './record-change.ts';
import { createOverrideRegister, createPrincipalRegister } from './registers.ts';
import type { RequestLookupPorts } from './request-lookup.ts';
import type { AdminPorts } from './routes.ts';

export interface GovernanceOptions {
  readonly client: DynamoDBClient;
  readonly catalogTable: string;
  readonly accountsTable: string;
  readonly rollupsTable: string;
  readonly audit: AuditLog;
  readonly clock: Clock;
}

export function createGovernance(options: GovernanceOptions) {
  const { client, catalogTable, accountsTable, rollupsTable, audit, clock } = options;
  const place = { client, tableName: catalogTable, clock };
  const principals = createPrincipalRegister(place);
  const overrides = createOverrideRegister(place);
  const writer = createCatalogWriter({ client, catalogTable, accountsTable });
  const keys = createKeyStore({ client, catalogTable });
  const dynamo = overSdk(client);
  const store = createDynamoAccounts({ dynamo, tableName: accountsTable });
  async function currentPolicy() {
    const pointer = await writer.policies.pointer();
    return pointer === undefined ? undefined : writer.policies.snapshot(pointer.version);
  }
  const ports = {
    change: { writer, keys, overrides, clock, recorded: recordChanges(audit, clock) },
    keys: {
      keys,
      accounts: writer,
      clock,
      accountStore: createBatchedReads({ client, tableName: accountsTable, pause: pauseRandomly }),
      audit: auditOfKeys(audit, clock),
      currentPolicy,
    },
    principals: { principals, audit, catalogTable, clock },
    overrides: {
      overrides,
      principals,
      audit,
      writer,
      clock,
      enforce: () => enforceOverrides({ writer, overrides, clock }),
      ...createOverrideAccounts({ store, clock }),
    },
    denials: { rollups: createRollupReader({ dynamo, tableName: rollupsTable }), clock },
  } satisfies Omit<AdminPorts, 'ledger' | 'requests'>;
  const requests = {
    ...{ keys, clock, currentPolicy, accountStore: store },
    cancellations: createDynamoCancellations({ dynamo, tableName: accountsTable, clock }),
  } satisfies Partial<RequestLookupPorts>;
  return { ports, requests, writer, keys, principals, overrides, store };
}

/** A change of a key is more than one item, so its record comes before the first of them. */
function auditOfKeys(log: AuditLog, { nowMs }: Clock): Audit {
  return {
    record: (asker, change) => log.record(auditRecord(asker, change, { atMs: nowMs() })),
  };
}
