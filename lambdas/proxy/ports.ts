/** Wires the request path to AWS. Built once per environment; holds no state of any request. */
import * as z from 'zod/mini';
import { systemClock, systemTimer } from '../../core/clock.ts';
import { randomText } from '../../core/ids.ts';
import { createAccounts } from '../../core/limits/accounts.ts';
import type { Report } from '../../core/report.ts';
import type { Ports } from '../../core/serve.ts';
import { createCredentials } from '../adapters/aws-credentials.ts';
import { createDynamoAccounts, pauseRandomly } from '../adapters/dynamo-accounts.ts';
import { createDynamoCancellations } from '../adapters/dynamo-cancellations.ts';
import { createDynamoClients } from '../adapters/dynamo-client.ts';
import { createDynamoDirectory } from '../adapters/dynamo-directory.ts';
import { readEnvironment } from '../adapters/environment.ts';
import { createHttpUpstream } from '../adapters/http-upstream.ts';
import { createProviderKeys } from '../adapters/provider-keys.ts';
import { createSignedUpstream } from '../adapters/signed-upstream.ts';
import { createUsageStream } from '../adapters/usage-stream.ts';

export function createPorts(report: Report): Ports {
  const env = readEnvironment([
    'accountsTable',
    'catalogTable',
    'usageStream',
    'spillQueueUrl',
    'providerSecrets',
    'cacheSecret',
    'leases',
  ]);
  const secrets = z.record(z.string(), z.string()).parse(JSON.parse(env.providerSecrets));
  const clock = systemClock;
  const clients = createDynamoClients();
  const store = createDynamoAccounts({ client: clients.accounts, tableName: env.accountsTable });
  return {
    clock,
    timer: systemTimer,
    directory: createDynamoDirectory({
      client: clients.catalog,
      tableName: env.catalogTable,
      clock,
      report,
    }),
    accounts: createAccounts({
      store,
      clock,
      pause: pauseRandomly,
      leaseNames: env.leases === 'on' ? randomText : undefined,
    }),
    providerKeys: createProviderKeys({ secrets, cacheSecretArn: env.cacheSecret, clock, report }),
    upstream: createSignedUpstream({
      upstream: createHttpUpstream({ clock }),
      credentials: createCredentials({ clock }),
      clock,
    }),
    cancellations: createDynamoCancellations({
      client: clients.catalog,
      tableName: env.accountsTable,
      clock,
    }),
    usage: createUsageStream({
      streamName: env.usageStream,
      spillQueueUrl: env.spillQueueUrl,
      report,
    }),
    report,
  };
}
