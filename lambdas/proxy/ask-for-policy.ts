/**
 * What a start does first: it asks for the policy. All else is loaded while that is on its way (ADR 0035), so what is
 * imported here is all that delays the question.
 */
import { systemClock } from '../../core/clock.ts';
import { createAws } from '../adapters/aws-client.ts';
import { createCredentials } from '../adapters/aws-credentials.ts';
import { createDynamoDirectory } from '../adapters/dynamo-directory.ts';
import { createLeanDynamo } from '../adapters/dynamo-lean.ts';
import { readEnvironment } from '../adapters/environment.ts';
import { createLeanTelemetry } from '../adapters/lean-telemetry.ts';
import './shared.ts';

/** What the question takes and the rest of the proxy shares. `policy` is there when the directory has it, or cannot have it. */
export type Asked = ReturnType<typeof askForPolicy>;

/** Throws where a variable of the proxy is missing. */
export function askForPolicy() {
  const env = readEnvironment([
    'accountsTable',
    'catalogTable',
    'rollupsTable',
    'usageStream',
    'spillQueueUrl',
    'providerSecrets',
    'cacheSecret',
    'leases',
    'observation',
    'stage',
  ]);
  const telemetry = createLeanTelemetry('proxy');
  const { report } = telemetry;
  const clock = systemClock;
  const credentials = createCredentials({ clock });
  const aws = createAws({ clock, credentials });
  const dynamo = createLeanDynamo(aws);
  const directory = createDynamoDirectory({
    dynamo: dynamo.catalog,
    tableName: env.catalogTable,
    clock,
    report,
  });
  const policy = directory.policy().catch(() => undefined);
  return { env, telemetry, clock, credentials, aws, dynamo, directory, policy };
}
