/** Wires the request path to AWS. Built once per environment; holds no state of any request. */
import * as z from 'zod/mini';
import { type Clock, systemTimer } from '../../core/clock.ts';
import { randomText } from '../../core/ids.ts';
import { createAccounts, type NewLeases } from '../../core/limits/accounts.ts';
import type { Report } from '../../core/report.ts';
import type { Ports } from '../../core/serve.ts';
import type { SigningKeys } from '../../core/tenancy/authenticate.ts';
import { createDynamoAccounts, pauseRandomly } from '../adapters/dynamo-accounts.ts';
import { createDynamoCancellations } from '../adapters/dynamo-cancellations.ts';
import { createHttpUpstream } from '../adapters/http-upstream.ts';
import { createProviderKeys } from '../adapters/provider-keys.ts';
import { createRollupReader } from '../adapters/rollup-reader.ts';
import { createSignedUpstream } from '../adapters/signed-upstream.ts';
import { createUsageStream } from '../adapters/usage-stream.ts';
import type { Asked } from './ask-for-policy.ts';

export async function createPorts(asked: Asked): Promise<Ports> {
  const { env, clock, credentials, aws, dynamo, directory } = asked;
  const { accounts, catalog } = dynamo;
  const { report } = asked.telemetry;
  const secrets = z.record(z.string(), z.string()).parse(JSON.parse(env.providerSecrets));
  return {
    clock,
    timer: systemTimer,
    directory,
    signIn: { keys: directory, signers: lateSigners({ clock, report }) },
    accounts: createAccounts({
      store: createDynamoAccounts({ dynamo: accounts, tableName: env.accountsTable }),
      clock,
      pause: pauseRandomly,
      newLeases: env.leases === 'on' ? await workersLeases() : undefined,
    }),
    providerKeys: createProviderKeys({
      aws,
      secrets,
      cacheSecretArn: env.cacheSecret,
      clock,
      report,
    }),
    upstream: createSignedUpstream({
      upstream: createHttpUpstream({ clock }),
      credentials,
      clock,
    }),
    cancellations: createDynamoCancellations({
      dynamo: catalog,
      tableName: env.accountsTable,
      clock,
    }),
    rollups: createRollupReader({ dynamo: catalog, tableName: env.rollupsTable }),
    usage: createUsageStream({
      aws,
      streamName: env.usageStream,
      spillQueueUrl: env.spillQueueUrl,
      report,
    }),
    report,
  };
}

/** Loaded where an environment serves many calls at once: elsewhere none is ever taken (ADR 0016). */
async function workersLeases(): Promise<NewLeases> {
  const { createLeases } = await import('../../core/limits/leases.ts');
  return (shared) => createLeases({ ...shared, newName: randomText });
}

/** Loaded by the first token: most callers have keys. */
function lateSigners(options: { clock: Clock; report: Report }): SigningKeys {
  let signers: SigningKeys | undefined;
  return {
    async find(issuer, kid) {
      const { createOidc } = await import('../adapters/oidc.ts');
      signers ??= createOidc(options);
      return signers.find(issuer, kid);
    },
  };
}
