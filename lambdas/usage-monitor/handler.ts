/**
 * The usage monitor. Reads the usage stream: tells budget thresholds and soft limits, adds up rollups, and looks at what they
 * say. Idempotent under redelivery: what was told is marked in the account, what was added up is marked in the rollup. Every
 * five minutes it is called without records and looks at what nobody calls any more.
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import middy from '@middy/core';
import type { KinesisStreamBatchResponse, KinesisStreamEvent } from 'aws-lambda';
import { systemClock } from '../../core/clock.ts';
import { CALLERS_PATIENCE, createPatientStore } from '../../core/limits/patient-store.ts';
import { createAlertBus } from '../adapters/alert-bus.ts';
import { createAws } from '../adapters/aws-client.ts';
import { createDynamoAccounts, pauseRandomly } from '../adapters/dynamo-accounts.ts';
import { createDynamoDirectory } from '../adapters/dynamo-directory.ts';
import { createDynamoIncidents } from '../adapters/dynamo-incidents.ts';
import { createLeanDynamo } from '../adapters/dynamo-lean.ts';
import { readEnvironment } from '../adapters/environment.ts';
import { createRollupIndex } from '../adapters/rollup-index.ts';
import { createRollups } from '../adapters/rollups.ts';
import { createTelemetry } from '../adapters/telemetry.ts';
import { createBatchWork } from './batch-work.ts';
import { createBudgetAlerts } from './budget-alerts.ts';
import { createIncidents } from './incidents.ts';
import { createSoftLimitAlerts } from './soft-limit-alerts.ts';
import { createWatch } from './watch.ts';
import { createWatchman } from './watchman.ts';

const telemetry = createTelemetry('usage-monitor');
const { report } = telemetry;
const env = readEnvironment(['accountsTable', 'catalogTable', 'rollupsTable', 'alertBus']);
const clock = systemClock;
// A write for each subject and window of a batch: the SDK would spend most of the monitor's time.
const { accounts, catalog } = createLeanDynamo(createAws({ clock }));
const table = { dynamo: catalog, tableName: env.rollupsTable };
const eventBridge = new EventBridgeClient({ maxAttempts: 3 });
const directory = createDynamoDirectory({
  dynamo: catalog,
  tableName: env.catalogTable,
  clock,
  report,
});
const alerts = {
  store: createPatientStore({
    store: createDynamoAccounts({ dynamo: accounts, tableName: env.accountsTable }),
    patience: CALLERS_PATIENCE,
    pause: pauseRandomly,
  }),
  directory,
  eventBridge,
  busName: env.alertBus,
  clock,
  report,
};
const budgets = createBudgetAlerts(alerts);
const rollups = createRollups(table);
const index = createRollupIndex(table);
const store = createDynamoIncidents({
  client: new DynamoDBClient({ maxAttempts: 3 }),
  tableName: env.rollupsTable,
  clock,
});
const bus = createAlertBus({ client: eventBridge, busName: env.alertBus });
const watchman = createWatchman({
  watch: createWatch({ rollups, clock }),
  incidents: createIncidents({ store, tell: bus.tell, clock }),
  store,
  index,
  budgets,
  directory,
  clock,
  report,
});
const work = createBatchWork({
  budgets,
  softLimits: createSoftLimitAlerts(alerts),
  rollups,
  index,
  watchman,
  measure: telemetry.measure,
  report,
});

/** What the schedule sends instead of records. */
interface Tick {
  readonly Records?: undefined;
}

export const handler = middy<KinesisStreamEvent | Tick>().handler(
  async ({ Records }): Promise<KinesisStreamBatchResponse> => {
    try {
      if (Records !== undefined) return await work(Records);
      await watchman.tick();
      return { batchItemFailures: [] };
    } finally {
      telemetry.flush();
    }
  },
);
