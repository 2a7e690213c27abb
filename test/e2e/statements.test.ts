import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as z from 'zod';
import { eventually, type RunningGateway, startGateway } from './instance.ts';

let gateway: RunningGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

async function invoke(name: string, event: object): Promise<unknown> {
  const url = `${gateway.awsUrl}/2015-03-31/functions/${name}/invocations`;
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(event) });
  const answer = await response.text();
  expect([response.status, response.headers.get('x-amz-function-error'), answer]).toEqual([
    200,
    null,
    expect.any(String),
  ]);
  return JSON.parse(answer);
}

const resultSchema = z.object({ version: z.number(), isNew: z.boolean() });

it("publishes a month's statement of calls that were made, once, and tells where it is", async () => {
  const { key } = await gateway.keyOf('open');
  const response = await fetch(`${gateway.baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'fast', messages: [{ role: 'user', content: 'Hi' }] }),
  });
  expect(response.status).toBe(200);
  await response.text();
  const period = new Date().toISOString().slice(0, 7);
  const csv = await eventually(async () => {
    await invoke('ledger-writer', { reach: 'recent' });
    await invoke('statements', { job: 'month', period });
    const files = globSync(join(gateway.dataDir, '**', `month=${period}`, '*', 'chargeback.csv'));
    const rows = files.map((file) => readFileSync(file, 'utf8').trim().split('\r\n'));
    const full = rows.find((lines) => lines.length === 2);
    expect(full).toBeDefined();
    return full ?? [];
  });
  expect(csv[1]).toMatch(new RegExp(`^${period},${period},`));
  expect(resultSchema.parse(await invoke('statements', { job: 'month', period })).isNew).toBe(
    false,
  );
  expect(await invoke('statements', { job: 'reference' })).toEqual({});
  const told = globSync(join(gateway.dataDir, '**', 'sns', '*.ndjson')).map((file) =>
    readFileSync(file, 'utf8'),
  );
  expect(told.join('')).toContain(`Chargeback for ${period}`);
  expect(
    existsSync(globSync(join(gateway.dataDir, '**', 'budgets', 'current.parquet'))[0] ?? ''),
  ).toBe(true);
}, 120_000);
