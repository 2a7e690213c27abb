/**
 * The usage monitor: reads the usage stream and tells budget thresholds and soft limits. Idempotent under redelivery:
 * what was told is marked in the account. A record that cannot be read is logged and passed over.
 */
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import middy from '@middy/core';
import type { KinesisStreamBatchResponse, KinesisStreamEvent } from 'aws-lambda';
import { systemClock } from '../../core/clock.ts';
import { CALLERS_PATIENCE, createPatientStore } from '../../core/limits/patient-store.ts';
import { type UsageEvent, usageEventSchema } from '../../core/usage/event.ts';
import { createDynamoAccounts, pauseRandomly } from '../adapters/dynamo-accounts.ts';
import { createDynamoDirectory } from '../adapters/dynamo-directory.ts';
import { createSdkDynamo } from '../adapters/dynamo-sdk.ts';
import { readEnvironment } from '../adapters/environment.ts';
import { createTelemetry } from '../adapters/telemetry.ts';
import { createBudgetAlerts } from './budget-alerts.ts';
import { createSoftLimitAlerts } from './soft-limit-alerts.ts';

const telemetry = createTelemetry('usage-monitor');
const env = readEnvironment(['accountsTable', 'catalogTable', 'alertBus']);
const { accounts, catalog } = createSdkDynamo();
const options = {
  store: createPatientStore({
    store: createDynamoAccounts({ dynamo: accounts, tableName: env.accountsTable }),
    patience: CALLERS_PATIENCE,
    pause: pauseRandomly,
  }),
  directory: createDynamoDirectory({
    dynamo: catalog,
    tableName: env.catalogTable,
    clock: systemClock,
    report: telemetry.report,
  }),
  eventBridge: new EventBridgeClient({ maxAttempts: 3 }),
  busName: env.alertBus,
  clock: systemClock,
  report: telemetry.report,
};
const budgets = createBudgetAlerts(options);
const softLimits = createSoftLimitAlerts(options);

export const handler = middy<KinesisStreamEvent>().handler(
  async ({ Records }): Promise<KinesisStreamBatchResponse> => {
    const events = Records.flatMap(({ kinesis }) => parseRecord(kinesis.data) ?? []);
    try {
      await budgets.check(events);
      await softLimits.check(events);
      return { batchItemFailures: [] };
    } catch (fault) {
      // The whole batch comes again: thresholds that were told in it stay told.
      telemetry.report('budget check failed', fault);
      const first = Records[0]?.kinesis.sequenceNumber;
      return { batchItemFailures: first === undefined ? [] : [{ itemIdentifier: first }] };
    } finally {
      telemetry.flush();
    }
  },
);

function parseRecord(data: string): UsageEvent | undefined {
  try {
    return usageEventSchema.parse(JSON.parse(Buffer.from(data, 'base64').toString('utf8')));
  } catch (fault) {
    telemetry.report('record not readable', fault);
    return undefined;
  }
}
