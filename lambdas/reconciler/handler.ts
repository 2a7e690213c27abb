/** The reconciler function: every hour, proof that accounts, ledger and raw events say the same, or an alert. */
import { AthenaClient } from '@aws-sdk/client-athena';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { S3Client } from '@aws-sdk/client-s3';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import * as z from 'zod/mini';
import { systemClock } from '../../core/clock.ts';
import { CLOSERS_PATIENCE, createPatientStore } from '../../core/limits/patient-store.ts';
import { createAccountScan } from '../adapters/account-scan.ts';
import { createAlertBus } from '../adapters/alert-bus.ts';
import { createAthena } from '../adapters/athena.ts';
import { createDynamoAccounts, pauseRandomly } from '../adapters/dynamo-accounts.ts';
import { createDynamoDirectory } from '../adapters/dynamo-directory.ts';
import { createSdkDynamo } from '../adapters/dynamo-sdk.ts';
import { readEnvironment } from '../adapters/environment.ts';
import { createLakeFiles } from '../adapters/lake-files.ts';
import { createTelemetry } from '../adapters/telemetry.ts';
import { type ReconcilerResult, reconcile } from './reconcile.ts';

/** Time kept to say that the run has failed. */
const CLOSING_MS = 5_000;

const telemetry = createTelemetry('reconciler');
const { report } = telemetry;
const env = readEnvironment([
  'accountsTable',
  'catalogTable',
  'athenaWorkGroup',
  'alertBus',
  'lakeBucket',
]);
const { accounts, catalog, client } = createSdkDynamo();
const directory = createDynamoDirectory({
  dynamo: catalog,
  tableName: env.catalogTable,
  clock: systemClock,
  report,
});
const ports = {
  athena: createAthena({
    client: new AthenaClient({ maxAttempts: 5 }),
    workGroup: env.athenaWorkGroup,
    clock: systemClock,
    pause: pauseRandomly,
  }),
  scan: createAccountScan({ client, tableName: env.accountsTable }),
  store: createPatientStore({
    store: createDynamoAccounts({ dynamo: accounts, tableName: env.accountsTable }),
    patience: CLOSERS_PATIENCE,
    pause: pauseRandomly,
  }),
  files: createLakeFiles({ client: new S3Client({ maxAttempts: 5 }), bucket: env.lakeBucket }),
  alerts: createAlertBus({
    client: new EventBridgeClient({ maxAttempts: 3 }),
    busName: env.alertBus,
  }),
  clock: systemClock,
  pause: pauseRandomly,
  report,
  timeZone: async () => (await directory.policy()).timeZone,
  location: `s3://${env.lakeBucket}/reconciliation/results/`,
};

const eventSchema = z.object({
  reach: z._default(z.enum(['hourly', 'nightly']), 'hourly'),
  minAgeMinutes: z._default(z.number().check(z.nonnegative()), 45),
});

export const handler = middy().handler(
  async (event: unknown, context: Context): Promise<ReconcilerResult> => {
    const { reach, minAgeMinutes } = eventSchema.parse(event ?? {});
    const deadlineMs = systemClock.nowMs() + context.getRemainingTimeInMillis() - CLOSING_MS;
    const run = { reach, minAgeMs: minAgeMinutes * 60_000, deadlineMs };
    try {
      const result = await reconcile(ports, run);
      telemetry.measure('booksDiffer', result.different);
      telemetry.log('books compared', { ...result });
      return result;
    } catch (fault) {
      report('books not compared', fault);
      throw fault;
    } finally {
      telemetry.flush();
    }
  },
);
