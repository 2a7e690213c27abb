/** The statements function: on schedules it keeps the reference tables, sums up weeks for team leads and charges months. */
import { AthenaClient } from '@aws-sdk/client-athena';
import { S3Client } from '@aws-sdk/client-s3';
import { SNSClient } from '@aws-sdk/client-sns';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import * as z from 'zod/mini';
import { PERIOD } from '../../core/chargeback/statement-questions.ts';
import { systemClock } from '../../core/clock.ts';
import { createAthena } from '../adapters/athena.ts';
import { createClosedMonths } from '../adapters/closed-months.ts';
import { pauseRandomly } from '../adapters/dynamo-accounts.ts';
import { createDynamoDirectory } from '../adapters/dynamo-directory.ts';
import { createSdkDynamo } from '../adapters/dynamo-sdk.ts';
import { readEnvironment } from '../adapters/environment.ts';
import { createObjects } from '../adapters/objects.ts';
import { createStatementTopic } from '../adapters/statement-topic.ts';
import { createTelemetry } from '../adapters/telemetry.ts';
import {
  type StatementPorts,
  writeMonth,
  writeReferenceTables,
  writeWeek,
} from './write-statements.ts';

/** Time kept to say that the run has failed. */
const CLOSING_MS = 5_000;

const telemetry = createTelemetry('statements');
const { report } = telemetry;
const env = readEnvironment(['catalogTable', 'athenaWorkGroup', 'lakeBucket', 'statementsTopic']);
const { catalog, client } = createSdkDynamo();
const ports: StatementPorts = {
  athena: createAthena({
    client: new AthenaClient({ maxAttempts: 5 }),
    workGroup: env.athenaWorkGroup,
    clock: systemClock,
    pause: pauseRandomly,
  }),
  objects: createObjects({ client: new S3Client({ maxAttempts: 5 }), bucket: env.lakeBucket }),
  closedMonths: createClosedMonths({ client, tableName: env.catalogTable }),
  policy: createDynamoDirectory({
    dynamo: catalog,
    tableName: env.catalogTable,
    clock: systemClock,
    report,
  }).policy,
  send: createStatementTopic({
    client: new SNSClient({ maxAttempts: 5 }),
    topicArn: env.statementsTopic,
  }),
  clock: systemClock,
};

const day = z.string().check(z.regex(/^\d{4}-\d{2}-\d{2}$/));
const eventSchema = z.discriminatedUnion('job', [
  z.object({ job: z.literal('reference') }),
  /** Of the week before `on`, which is today where it is absent. */
  z.object({ job: z.literal('week'), on: z.optional(day) }),
  /** Of last month where no period is given. */
  z.object({ job: z.literal('month'), period: z.optional(z.string().check(z.regex(PERIOD))) }),
]);

export const handler = middy().handler(
  async (event: unknown, context: Context): Promise<object> => {
    const asked = eventSchema.parse(event);
    const deadlineMs = systemClock.nowMs() + context.getRemainingTimeInMillis() - CLOSING_MS;
    try {
      switch (asked.job) {
        case 'reference':
          await writeReferenceTables(ports);
          return {};
        case 'week': {
          const atMs = asked.on === undefined ? systemClock.nowMs() : Date.parse(asked.on);
          return await writeWeek(ports, { atMs, deadlineMs });
        }
        case 'month':
          return await writeMonth(ports, { period: asked.period, deadlineMs });
      }
    } catch (fault) {
      report('statement not written', fault);
      throw fault;
    } finally {
      telemetry.flush();
    }
  },
);
