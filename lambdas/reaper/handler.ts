/**
 * The reaper function: once a minute it looks through the accounts for holds whose process died, and
 * closes what has expired. Nothing runs for an account without open holds but a share of one scan.
 */
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { systemClock } from '../../core/clock.ts';
import { releaseLeases } from '../../core/limits/lease-reap.ts';
import { CLOSERS_PATIENCE, createPatientStore } from '../../core/limits/patient-store.ts';
import { type ReapCount, reapAccount } from '../../core/limits/reaper.ts';
import { createAccountScan } from '../adapters/account-scan.ts';
import { createAws } from '../adapters/aws-client.ts';
import { createDynamoAccounts, pauseRandomly } from '../adapters/dynamo-accounts.ts';
import { createDynamoDirectory } from '../adapters/dynamo-directory.ts';
import { createSdkDynamo } from '../adapters/dynamo-sdk.ts';
import { readEnvironment } from '../adapters/environment.ts';
import { createTelemetry } from '../adapters/telemetry.ts';
import { createUsageStream } from '../adapters/usage-stream.ts';
import { createExpiredBooks } from './expired-books.ts';

/** Accounts in work at a time. */
const PARALLEL = 16;
/** Time kept to finish what has begun; the rest waits for the next minute. */
const CLOSING_MS = 10_000;

const telemetry = createTelemetry('reaper');
const { report } = telemetry;
const env = readEnvironment(['accountsTable', 'catalogTable', 'usageStream', 'spillQueueUrl']);
const { accounts, catalog, client } = createSdkDynamo();
const directory = createDynamoDirectory({
  dynamo: catalog,
  tableName: env.catalogTable,
  clock: systemClock,
  report,
});
const usage = createUsageStream({
  aws: createAws({ clock: systemClock }),
  streamName: env.usageStream,
  spillQueueUrl: env.spillQueueUrl,
  report,
});
const ports = {
  store: createPatientStore({
    store: createDynamoAccounts({ dynamo: accounts, tableName: env.accountsTable }),
    patience: CLOSERS_PATIENCE,
    pause: pauseRandomly,
  }),
  clock: systemClock,
  pause: pauseRandomly,
  bookExpired: createExpiredBooks({ directory, usage, clock: systemClock }),
};
const scan = createAccountScan({ client, tableName: env.accountsTable });

export const handler = middy().handler(
  async (_event: unknown, context: Context): Promise<ReapTotal> => {
    const beganSeconds = Math.floor(systemClock.nowMs() / 1000);
    const total = { posted: 0, released: 0 };
    const withLeases: string[] = [];
    let isWhole = true;
    const hasTime = () => context.getRemainingTimeInMillis() >= CLOSING_MS;
    const keys = scan.withHolds();
    const worker = async () => {
      for (let next = await keys.next(); next.done !== true; next = await keys.next()) {
        if (!hasTime()) {
          isWhole = false;
          return;
        }
        const count = await reapOne(next.value);
        isWhole &&= count?.left === 0;
        if (count === undefined) continue;
        total.posted += count.posted;
        total.released += count.released;
        if (count.leases > 0) withLeases.push(next.value);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
    for (const key of isWhole ? withLeases : [])
      if (hasTime()) total.released += await releaseOne(key, beganSeconds);
    telemetry.measure('holdsPosted', total.posted);
    if (total.posted + total.released > 0) telemetry.log('holds closed', total);
    telemetry.flush();
    return total;
  },
);

type ReapTotal = Pick<ReapCount, 'posted' | 'released'>;

/** One account that cannot be closed must not keep the others open. */
async function reapOne(accountKey: string): Promise<ReapCount | undefined> {
  try {
    return await reapAccount(ports, accountKey);
  } catch (fault) {
    report('holds not reaped', fault);
    return undefined;
  }
}

async function releaseOne(accountKey: string, passBeganSeconds: number): Promise<number> {
  try {
    return await releaseLeases(ports.store, accountKey, passBeganSeconds);
  } catch (fault) {
    report('holds not reaped', fault);
    return 0;
  }
}
