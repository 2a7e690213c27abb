import { setTimeout as sleep } from 'node:timers/promises';
import { AthenaClient } from '@aws-sdk/client-athena';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as z from 'zod';
import { systemClock } from '../../core/clock.ts';
import { createAthena } from '../../lambdas/adapters/athena.ts';
import { eventually, type RunningGateway, startGateway } from './instance.ts';

/** Longer than clocks may disagree: what closed before is on neither side of a doubt. */
const CERTAIN_MS = 6_000;
const CALLS = 5;

let gateway: RunningGateway;
let key: string;

beforeAll(async () => {
  gateway = await startGateway();
  ({ key } = await gateway.keyOf('counted'));
});
afterAll(() => gateway.stop());

const post = (path: string, body: object) =>
  fetch(`${gateway.baseUrl}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

async function invoke(name: string, event: object): Promise<unknown> {
  const url = `${gateway.awsUrl}/2015-03-31/functions/${name}/invocations`;
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(event) });
  const result: unknown = await response.json();
  expect([response.status, response.headers.get('x-amz-function-error'), result]).toEqual([
    200,
    null,
    result,
  ]);
  return result;
}

async function ask(sql: string): Promise<readonly (readonly (string | undefined)[])[]> {
  const client = new AthenaClient({
    endpoint: gateway.awsUrl,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const pause = (ms: number) => sleep(ms);
  try {
    const athena = createAthena({ client, workGroup: 'tollgate-dev', clock: systemClock, pause });
    return await athena.run(sql, Date.now() + 30_000);
  } finally {
    client.destroy();
  }
}

const CHAT = { model: 'fast', messages: [{ role: 'user', content: 'Hi' }] };

it('tells before a call what it may cost, and the call costs less', async () => {
  const estimate = z
    .object({ upper_bound: z.object({ usd: z.string() }), allowed: z.literal(true) })
    .parse(await (await post('/v1/estimate', CHAT)).json());
  const answer = await post('/v1/chat/completions', CHAT);
  await answer.text();
  expect(Number(estimate.upper_bound.usd)).toBeGreaterThan(0);
  const { scopes } = z
    .object({ scopes: z.array(z.looseObject({ settled: z.object({ usd: z.string() }) })) })
    .parse(
      await eventually(async () => {
        const usage = await gateway.get('/v1/usage', key);
        expect(JSON.stringify(usage)).toContain('"requests":1');
        return usage;
      }),
    );
  expect(Number(scopes[0]?.settled.usd)).toBeLessThan(Number(estimate.upper_bound.usd));
});

it('proves accounts, ledger and raw events equal, and an invoice explained once its difference is booked', async () => {
  for (let calls = 0; calls < CALLS; calls += 1)
    await (await post('/v1/chat/completions', CHAT)).text();
  await sleep(CERTAIN_MS);
  await eventually(async () => {
    await invoke('ledger-writer', { reach: 'recent' });
    expect(await ask("SELECT count(*) FROM ledger WHERE entry_kind = 'call'")).toEqual([
      [String(CALLS + 1)],
    ]);
  }, 60_000);
  const run = { reach: 'nightly', minAgeMinutes: 0 };
  expect(await invoke('reconciler', run)).toEqual({ corrected: 0, compared: 0, different: 0 });
  expect(await invoke('reconciler', run)).toMatchObject({ corrected: 0, different: 0 });
  const rows =
    await ask(`SELECT scope, verdict, settled_nano_usd = ledger_nano_usd, settled_requests
    FROM reconciliation WHERE check_kind = 'accounts' AND settled_requests > 0 ORDER BY scope`);
  expect(rows.length).toBeGreaterThanOrEqual(2);
  for (const row of rows) expect(row.slice(1)).toEqual(['equal', 'true', String(CALLS + 1)]);

  const [[booked = ''] = []] = await ask('SELECT sum(cost_nano_usd) FROM ledger');
  const start = Math.floor(Date.now() / 86_400_000) * 86_400;
  const value = `0.${String(Number(booked) + 1_000).padStart(9, '0')}`;
  const header = 'start_time,end_time,amount_value,amount_currency,line_item';
  const csv = `${header}\n${start},${start + 86_400},${value},usd,all\n`;
  const refused = await gateway.admin('PUT', '/invoices/openai', csv.replace('usd', 'eur'));
  expect(refused).toMatchObject({ status: 400, json: { error: { problems: [{ line: 2 }] } } });
  const { json } = await gateway.admin('PUT', '/invoices/openai', csv);
  const path = `/invoices/openai/${String(json['invoiceId'])}`;
  const total = (differenceUsd: string) => ({ status: 200, json: { total: { differenceUsd } } });
  expect(await gateway.admin('GET', path)).toMatchObject(total('0.000001'));
  expect(await gateway.admin('POST', `${path}/approve`, '{}')).toMatchObject({
    json: { adjustments: 1, usd: '0.000001' },
  });
  expect(await gateway.admin('GET', path)).toMatchObject(total('0'));
  // An adjustment is no call: the accounts still agree.
  expect(await invoke('reconciler', run)).toMatchObject({ different: 0 });
}, 120_000);
