/**
 * `npm run bench:aws-calls`: CPU of what one call asks of AWS (a reserve and a settlement at its key's account and its team's,
 * one usage event) before a table that answers at once: all threads of this process, which does nothing else. No goal:
 * it tells two versions apart.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../core/clock.ts';
import { newRequestId } from '../core/ids.ts';
import { createAccounts, type ReserveCall } from '../core/limits/accounts.ts';
import { usageEventColumns, usageEventSchema } from '../core/usage/event.ts';
import { createAws } from '../lambdas/adapters/aws-client.ts';
import { createDynamoAccounts, pauseRandomly } from '../lambdas/adapters/dynamo-accounts.ts';
import { createLeanDynamo } from '../lambdas/adapters/dynamo-lean.ts';
import { createUsageStream } from '../lambdas/adapters/usage-stream.ts';
import { type Company, companyOf, newKeys } from './company.ts';
import { summarize } from './statistics.ts';
import { fillTables, TABLES } from './table/fill-tables.ts';
import { startTable } from './table/table.ts';

const CONCURRENCIES = [1, 16, 32] as const;
const WARM_UP = 2;
const DEMAND = { nanoUsd: 1_000_000, inputTokens: 900, outputTokens: 512 };
const ACTUAL = { nanoUsd: 400_000, inputTokens: 800, outputTokens: 51 };
/** Every column says something. */
const EVENT = usageEventSchema.parse({
  ...Object.fromEntries(
    usageEventColumns.map(({ name, type }, index) => {
      if (type === 'boolean') return [name, index % 2 === 0];
      return [name, type === 'bigint' ? index * 1_000 : `${name}-of-the-bench`];
    }),
  ),
  outcome: 'ok',
});

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '1500' },
    rounds: { type: 'string', default: '5' },
  },
});
const table = await startTable({ roundTripMs: 0, unitsPerSecond: Number.MAX_SAFE_INTEGER });
const company = companyOf(table.url, newKeys());
await fillTables(table.url, company);
Object.assign(process.env, {
  AWS_ENDPOINT_URL: table.url,
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'bench',
  AWS_SECRET_ACCESS_KEY: 'bench',
  AWS_SESSION_TOKEN: 'as long as a real one, which is signed too'.repeat(16),
});
const aws = createAws({ clock: systemClock });
const dynamo = createLeanDynamo(aws).accounts;
const store = createDynamoAccounts({ dynamo, tableName: TABLES.accountsTable });
const accounts = createAccounts({ store, clock: systemClock, pause: pauseRandomly });
const usage = createUsageStream({
  aws,
  streamName: 'usage',
  spillQueueUrl: `${table.url}/spill`,
  report: (incident, fault) => console.error(incident, fault),
});
const scopes = scopesOf(company);

const rows = [];
for (const concurrency of CONCURRENCIES) {
  const micros: number[] = [];
  for (let round = 0; round < Number(values.rounds) + WARM_UP; round += 1) {
    const each = await microsPerCall(concurrency);
    if (round >= WARM_UP) micros.push(each);
  }
  const { median = 0, min = 0 } = summarize(micros) ?? {};
  rows.push({
    'at once': concurrency,
    'µs CPU a call': Math.round(median),
    least: Math.round(min),
  });
}
console.table(rows);
console.log(`peak RSS ${Math.round(process.resourceUsage().maxRSS / 1_000)} MB`);
aws.close();
await table.stop();

async function microsPerCall(concurrency: number): Promise<number> {
  const calls = Number(values.calls);
  let left = calls;
  const caller = async () => {
    for (; left > 0; left -= 1) await call();
  };
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: concurrency }, caller));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}

async function call(): Promise<void> {
  const requestId = newRequestId();
  const asked: ReserveCall = {
    ...{ requestId, alias: 'saturated', demand: DEMAND, scopes, timeZone: 'UTC', holdSeconds: 600 },
  };
  const reservation = await accounts.reserve(asked);
  if (reservation.kind !== 'reserved') throw new Error(JSON.stringify(reservation));
  await usage.put({ ...EVENT, request_id: requestId });
  await accounts.settle(reservation, ACTUAL);
}

/** Of the first project's key, and of its team, whose five limits are all checked. */
function scopesOf({ records, snapshot, accounts: all }: Company): ReserveCall['scopes'] {
  const [key] = records.values();
  const team = all.find(({ scope }) => scope.kind === 'team' && scope.teamId === key?.teamId);
  if (key === undefined || team === undefined) throw new Error('no key or no team');
  const policyVersion = snapshot.version;
  return [
    { scope: { kind: 'key', keyId: key.keyId }, limits: {} },
    { ...team, policyVersion },
  ];
}
