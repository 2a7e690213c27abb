/**
 * `npm run bench:aws-client`: CPU of one write of an account through the request path's own client and through the SDK, before
 * a table that answers at once, taking turns in one process. Fails when a ratio is above its goal; `--json` prints the ratios alone.
 */
import { parseArgs } from 'node:util';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { systemClock } from '../core/clock.ts';
import type { AccountStore } from '../core/limits/account-store.ts';
import type { AccountWrite } from '../core/limits/account-write.ts';
import { createAws } from '../lambdas/adapters/aws-client.ts';
import { createDynamoAccounts } from '../lambdas/adapters/dynamo-accounts.ts';
import { overAws } from '../lambdas/adapters/dynamo-lean.ts';
import type { DynamoPort } from '../lambdas/adapters/dynamo-port.ts';
import { overSdk } from '../lambdas/adapters/dynamo-sdk.ts';
import { startChildServer } from './child-server.ts';
import { summarize } from './statistics.ts';

const GOALS = [
  { concurrency: 1, ratio: 0.25 },
  { concurrency: 16, ratio: 0.15 },
] as const;
const WARM_UP = 2;

/** As a reservation makes it. */
const WRITE: AccountWrite = {
  conditions: [
    { kind: 'equals', path: ['st'], value: 'active' },
    { kind: 'equals', path: ['lv'], value: 3 },
    { kind: 'absent', path: ['h', 'a0b1c2d3'] },
    { kind: 'fewer-than', path: ['h'], value: 50 },
    { kind: 'at-most', path: ['uM202611'], value: 4_999_930_000 },
    { kind: 'at-most', path: ['rm29384021'], value: 599 },
  ],
  set: [
    [
      ['h', 'a0b1c2d3'],
      [1_795_233_000, 70_000, 900, 512],
    ],
  ],
  add: [
    ['uM202611', 70_000],
    ['rm29384021', 1],
    ['im29384021', 900],
    ['om29384021', 512],
  ],
  remove: [],
};

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
});
const table = await startChildServer(import.meta.resolve('./table-process.ts'), {});
Object.assign(process.env, {
  AWS_ENDPOINT_URL_DYNAMODB: table.url,
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'bench',
  AWS_SECRET_ACCESS_KEY: 'bench',
  AWS_SESSION_TOKEN: 'as long as a real one, which is signed too'.repeat(16),
});
// A busy machine must not end the run.
const PATIENCE = { attempts: 1, attemptMs: 60_000 };
const aws = createAws({ clock: systemClock });
const sdk = new DynamoDBClient({ maxAttempts: 1 });
const over = (dynamo: DynamoPort) => createDynamoAccounts({ dynamo, tableName: 'accounts' });
const stores = {
  ours: over(overAws(aws.client('dynamodb', PATIENCE))),
  sdk: over(overSdk(sdk)),
};

const rows = [];
for (const { concurrency, ratio } of GOALS) {
  const rounds: { readonly ours: number; readonly theirs: number; readonly ratio: number }[] = [];
  for (let round = 0; round < Number(values.rounds) + WARM_UP; round += 1) {
    const ours = await microsPerCall(stores.ours, concurrency);
    const theirs = await microsPerCall(stores.sdk, concurrency);
    if (round >= WARM_UP) rounds.push({ ours, theirs, ratio: ours / theirs });
  }
  const median = (of: keyof (typeof rounds)[number]) =>
    summarize(rounds.map((round) => round[of]))?.median ?? Number.NaN;
  rows.push({
    'at once': concurrency,
    'ours, µs CPU': Math.round(median('ours')),
    'SDK, µs CPU': Math.round(median('theirs')),
    ratio: Number(median('ratio').toFixed(3)),
    goal: ratio,
  });
}
if (values.json) console.log(JSON.stringify({ one: rows[0]?.ratio, sixteen: rows[1]?.ratio }));
else {
  console.table(rows);
  process.exitCode = rows.every(({ ratio, goal }) => ratio <= goal) ? 0 : 1;
}
aws.close();
sdk.destroy();
await table.stop();

/** All threads of this process; the table's work is another's. */
async function microsPerCall(store: AccountStore, concurrency: number): Promise<number> {
  const calls = Number(values.calls);
  let left = calls;
  const caller = async () => {
    for (; left > 0; left -= 1) {
      const { kind } = await store.write('team/acme/search', WRITE);
      if (kind !== 'applied') throw new Error('a write was refused');
    }
  };
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: concurrency }, caller));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}
