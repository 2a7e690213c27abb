/** The ledger-writer function: books what has arrived in the lake into the ledger, on a schedule. */
import { AthenaClient } from '@aws-sdk/client-athena';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import * as z from 'zod/mini';
import { systemClock } from '../../core/clock.ts';
import { createAthena } from '../adapters/athena.ts';
import { createClosedMonths } from '../adapters/closed-months.ts';
import { pauseRandomly } from '../adapters/dynamo-accounts.ts';
import { readEnvironment } from '../adapters/environment.ts';
import { createTelemetry } from '../adapters/telemetry.ts';
import { type LedgerRunResult, writeLedger } from './write-ledger.ts';

/** Time kept to say that the run has failed. */
const CLOSING_MS = 5_000;

const telemetry = createTelemetry('ledger-writer');
const env = readEnvironment(['catalogTable', 'athenaWorkGroup', 'ledgerLocation']);
const ports = {
  athena: createAthena({
    client: new AthenaClient({ maxAttempts: 5 }),
    workGroup: env.athenaWorkGroup,
    clock: systemClock,
    pause: pauseRandomly,
  }),
  closedMonths: createClosedMonths({
    client: new DynamoDBClient({ maxAttempts: 3 }),
    tableName: env.catalogTable,
  }),
  clock: systemClock,
  location: env.ledgerLocation,
};

const eventSchema = z.object({ reach: z._default(z.enum(['recent', 'wide']), 'recent') });

export const handler = middy().handler(
  async (event: unknown, context: Context): Promise<LedgerRunResult> => {
    const { reach } = eventSchema.parse(event ?? {});
    const deadlineMs = systemClock.nowMs() + context.getRemainingTimeInMillis() - CLOSING_MS;
    try {
      const result = await writeLedger(ports, { reach, deadlineMs });
      telemetry.measure('unknownVersions', result.unknownRows);
      return result;
    } catch (fault) {
      telemetry.report('ledger not written', fault);
      throw fault;
    } finally {
      telemetry.flush();
    }
  },
);
