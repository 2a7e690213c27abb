/** The ports of the gateways that run from their sources: the proxy's own adapters, but for what is held in memory. */
import { inspect } from 'node:util';
import { systemClock, systemTimer } from '../../core/clock.ts';
import { createAccounts } from '../../core/limits/accounts.ts';
import type { Report } from '../../core/report.ts';
import type { Ports } from '../../core/serve.ts';
import { createAws } from '../../lambdas/adapters/aws-client.ts';
import { createDynamoAccounts, pauseRandomly } from '../../lambdas/adapters/dynamo-accounts.ts';
import { createDynamoDirectory } from '../../lambdas/adapters/dynamo-directory.ts';
import { createLeanDynamo } from '../../lambdas/adapters/dynamo-lean.ts';
import { createHttpUpstream } from '../../lambdas/adapters/http-upstream.ts';
import { createUsageStream } from '../../lambdas/adapters/usage-stream.ts';
import { companyOf } from '../company.ts';
import type { GatewayOptions, Tables } from './gateway.ts';

const clock = systemClock;

export async function createBenchPorts(options: GatewayOptions): Promise<Ports> {
  const report = reportOf(options);
  const state = await (options.tables === undefined
    ? inMemory(options)
    : inTables(options.tables, report));
  return {
    usage: { put: async () => {} },
    ...state,
    clock,
    timer: systemTimer,
    cancellations: { mark: async () => {}, isMarked: async () => false },
    rollups: { readCollection: async () => [] },
    providerKeys: { get: async () => undefined, cacheSecret: async () => 'none' },
    upstream: createHttpUpstream({ clock }),
    report,
  };
}

function reportOf({ mayFail = false }: GatewayOptions): Report {
  return (incident, fault) => {
    if (mayFail) return;
    process.stderr.write(`${incident}: ${inspect(fault)}\n`);
    process.exit(1);
  };
}

type State = Pick<Ports, 'directory' | 'accounts'> & Partial<Pick<Ports, 'usage'>>;

async function inMemory({ providerUrl, keys }: GatewayOptions): Promise<State> {
  const { createMemoryAccounts } = await import('./memory-accounts.ts');
  const { accounts, records, snapshot } = companyOf(providerUrl, keys);
  const store = await createMemoryAccounts(accounts);
  return {
    directory: {
      findKey: async (hash) => records.get(hash),
      policy: async () => snapshot,
      recall(hash) {
        const key = records.get(hash);
        return key && { key, policy: snapshot, isFresh: true };
      },
    },
    accounts: createAccounts({ store, clock }),
  };
}

async function inTables(tables: Tables, report: Report): Promise<State> {
  const { url, eventsUrl, accountsTable, catalogTable, client } = tables;
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_DYNAMODB: url,
    AWS_ENDPOINT_URL_KINESIS: eventsUrl,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
  });
  const aws = createAws({ clock });
  const { accounts, catalog } = await (client === 'sdk' ? sdkDynamo() : createLeanDynamo(aws));
  const store = createDynamoAccounts({ dynamo: accounts, tableName: accountsTable });
  const events = { streamName: 'usage', spillQueueUrl: `${url}/spill` };
  return {
    directory: createDynamoDirectory({ dynamo: catalog, tableName: catalogTable, clock, report }),
    accounts: createAccounts({ store, clock, pause: pauseRandomly }),
    ...(eventsUrl === undefined ? {} : { usage: createUsageStream({ aws, ...events, report }) }),
  };
}

/** Loaded only where it is measured. */
async function sdkDynamo() {
  const { createSdkDynamo } = await import('../../lambdas/adapters/dynamo-sdk.ts');
  return createSdkDynamo();
}
