/** The alert router: every event of the alert bus to the people concerned, and every five minutes what was held back. */
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SNSClient } from '@aws-sdk/client-sns';
import middy from '@middy/core';
import { readAlert } from '../../core/alerts/alert.ts';
import { systemClock } from '../../core/clock.ts';
import { ENV } from '../../core/names.ts';
import { createAlertDeliveries } from '../adapters/alert-deliveries.ts';
import { createAlertTopics } from '../adapters/alert-topics.ts';
import { createDynamoDirectory } from '../adapters/dynamo-directory.ts';
import { createSdkDynamo } from '../adapters/dynamo-sdk.ts';
import { readEnvironment } from '../adapters/environment.ts';
import { createSlackWebhooks } from '../adapters/slack-webhooks.ts';
import { createTelemetry } from '../adapters/telemetry.ts';
import { createAlertRouter } from './route-alerts.ts';

const telemetry = createTelemetry('alert-router');
const { report } = telemetry;
const env = readEnvironment([
  'catalogTable',
  'rollupsTable',
  'alertTopic',
  'teamAlertTopic',
  'slackWebhooksSecret',
]);
const clock = systemClock;
const { catalog, client } = createSdkDynamo();
const directory = createDynamoDirectory({
  dynamo: catalog,
  tableName: env.catalogTable,
  clock,
  report,
});
const router = createAlertRouter({
  policy: () => directory.policy(),
  deliveries: createAlertDeliveries({
    client,
    tableName: env.rollupsTable,
    clock,
  }),
  topics: createAlertTopics({
    client: new SNSClient({ maxAttempts: 3 }),
    platformArn: env.alertTopic,
    teamsArn: env.teamAlertTopic,
    // Absent where the stage has no chat service.
    chatArn: process.env[ENV.chatTopic],
  }),
  slack: createSlackWebhooks({
    secrets: new SecretsManagerClient({ maxAttempts: 3 }),
    secretArn: env.slackWebhooksSecret,
    clock,
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  }),
  docsUrl: process.env[ENV.docsUrl],
  clock,
  report,
});

/** An event of the bus; the schedule sends neither. */
interface BusEvent {
  readonly 'detail-type'?: string;
  readonly detail?: unknown;
}

export const handler = middy<BusEvent>().handler(async ({ 'detail-type': type, detail }) => {
  try {
    if (type === undefined) await router.flush();
    else await router.route(readAlert(type, detail));
  } finally {
    telemetry.flush();
  }
});
