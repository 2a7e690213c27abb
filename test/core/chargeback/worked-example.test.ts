import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { buildUsageEvent } from '../../../core/usage/build-event.ts';
import { costOfUsage } from '../../../core/usage/cost.ts';
import { type UsageEvent, usageEventColumns } from '../../../core/usage/event.ts';
import { writeLedger } from '../../../lambdas/ledger-writer/write-ledger.ts';
import { writeMonth } from '../../../lambdas/statements/write-statements.ts';
import { openLocalObjects } from '../../support/local-objects.ts';
import { createSpendLake, type SpendLake } from '../../support/spend-lake.ts';
import { callFacts } from '../usage/call-facts.ts';

const EMPLOYEES = 10_000;
const QUERIES = 100;
const TOKENS = 3_000;
const DAY = '2026-11-20';

const POLICY = `
time_zone: UTC
providers:
  openai: { kind: openai, base_url: "https://api.openai.com" }
models:
  assistant:
    tier: shared
    context_tokens: 128K
    max_output_tokens: 4K
    default_max_output_tokens: 1K
    routes: [{ provider: openai, model: gpt-x, price: { input: $3.00, output: $15.00 } }] # $0.003 per 1,000
tenants:
  acme:
    teams:
      staff: { owner: it@example.com, cost_center: CC-1 }
`;

/** One query of 3,000 tokens, as the request path closes its books. */
function eventOfOneQuery(): UsageEvent {
  const parsed = parsePolicy(POLICY, 'policy.yaml');
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed));
  const route = compilePolicy(parsed.policy, 1, 0).snapshot.models['assistant']?.routes[0];
  const usage = {
    inputTokens: TOKENS,
    cachedInputTokens: 0,
    outputTokens: 0,
    reasoningTokens: undefined,
  };
  const receivedAtMs = Date.parse(`${DAY}T12:00:00Z`);
  return buildUsageEvent(
    { ...callFacts, receivedAtMs },
    {
      outcome: 'ok',
      status: 200,
      route,
      usage,
      estimated: false,
      cost: costOfUsage(usage, route?.price),
      month: 202_611,
      attempts: 1,
      closedAtMs: receivedAtMs + 900,
    },
  );
}

let lake: SpendLake;
const objects = await openLocalObjects();
const nowMs = Date.parse('2026-11-21T00:10:00Z');

beforeAll(async () => {
  lake = await createSpendLake('2026-11-21');
  await arrive(lake.usageDir);
  const athena = { run: async (sql: string) => (await lake.run(sql)).rows };
  const closedMonths = { through: async () => undefined };
  const clock = { nowMs: () => nowMs };
  const deadlineMs = Number.POSITIVE_INFINITY;
  const location = 's3://lake/ledger/';
  const ports = { athena, closedMonths, clock, location };
  await writeLedger(ports, { reach: 'recent', deadlineMs });
  const policy = () => Promise.reject(new Error('the month is given'));
  const send = async () => undefined;
  await writeMonth(
    { athena, objects, closedMonths, clock, policy, send },
    { period: '2026-11', deadlineMs },
  );
}, 180_000);
afterAll(() => Promise.all([lake.close(), objects.close()]));

/** Each employee's hundred queries as raw rows, of which every tenth came twice. */
async function arrive(usageDir: string): Promise<void> {
  const folder = join(usageDir, `dt=${DAY}`, 'hour=12');
  mkdirSync(folder, { recursive: true });
  const example = join(usageDir, 'example.ndjson');
  writeFileSync(example, JSON.stringify(eventOfOneQuery()));
  const types = usageEventColumns.map(
    ({ name, type }) => `${name}: '${type === 'string' ? 'VARCHAR' : type}'`,
  );
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const rows = (count: number) => `SELECT one.* REPLACE ('req_' || i AS request_id,
      'employee-' || i % ${EMPLOYEES} AS user_id, event_time_ms + i % 3600000 AS event_time_ms)
    FROM read_json('${example}', columns = {${types.join(', ')}}) AS one, range(${count}) AS calls (i)`;
  const calls = EMPLOYEES * QUERIES;
  await connection.run(
    `COPY (${rows(calls)}) TO '${join(folder, 'first.parquet')}' (FORMAT parquet)`,
  );
  await connection.run(
    `COPY (${rows(calls / 10)}) TO '${join(folder, 'again.parquet')}' (FORMAT parquet)`,
  );
  connection.closeSync();
  instance.closeSync();
}

describe('$0.003 per 1,000 input tokens x 10,000 employees x 100 queries x 3,000 tokens', () => {
  it('is $0.009 a query', () => {
    expect(eventOfOneQuery().cost_nano_usd).toBe(9_000_000);
  });

  it('is $9,000 a day, to the nano-dollar, from a million events of which some came twice', async () => {
    expect(await lake.ask('spend-by-day')).toMatchObject([
      {
        usage_day: DAY,
        requests: '1000000',
        input_tokens: '3000000000',
        cost_nano_usd: '9000000000000',
        cost_usd: '9000.000000000',
      },
    ]);
  });

  it('is 90 cents for each employee', async () => {
    const users = await lake.ask('spend-by-user');
    expect(users).toHaveLength(EMPLOYEES);
    expect(new Set(users.map(({ cost_usd: usd }) => usd))).toEqual(new Set(['0.900000000']));
  });

  it('is charged so in the statement', () => {
    const folder = 'statements/month=2026-11/v1/';
    expect(objects.text(`${folder}chargeback.csv`)).toContain(',9000000000000,9000.000000000\r\n');
    expect(objects.text(`${folder}chargeback.html`)).toContain('$9,000.00');
  });
});
