import { AthenaClient } from '@aws-sdk/client-athena';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../core/clock.ts';
import { createAthena } from '../../lambdas/adapters/athena.ts';
import { eventually, type RunningGateway, startGateway } from './instance.ts';
import { type SlowRelay, startSlowRelay } from './slow-relay.ts';

/** Less than a put may take, more than anything else of a call. */
const KINESIS_MS = 1_500;
const TRACE = '0af7651916cd43dd8448eb211c80319c';

let relay: SlowRelay;
let gateway: RunningGateway;
let key: string;

beforeAll(async () => {
  relay = await startSlowRelay(KINESIS_MS);
  gateway = await startGateway({ env: { AWS_ENDPOINT_URL_KINESIS: relay.url } });
  relay.target = gateway.awsUrl;
  ({ key } = await gateway.keyOf('open'));
});
afterAll(async () => {
  await gateway.stop();
  relay.close();
});

/** Milliseconds from the request to the last byte of the answer. */
async function call(stream: boolean): Promise<number> {
  const startedMs = performance.now();
  const response = await fetch(`${gateway.baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      traceparent: `00-${TRACE}-b7ad6b7169203331-01`,
    },
    body: JSON.stringify({ model: 'fast', stream, messages: [{ role: 'user', content: 'Hi' }] }),
  });
  await response.text();
  expect(response.status).toBe(200);
  return performance.now() - startedMs;
}

async function writeLedger(reach: 'recent' | 'wide'): Promise<void> {
  const url = `${gateway.awsUrl}/2015-03-31/functions/ledger-writer/invocations`;
  const response = await fetch(url, { method: 'POST', body: JSON.stringify({ reach }) });
  expect([response.status, response.headers.get('x-amz-function-error')]).toEqual([200, null]);
}

async function askLedger(sql: string): Promise<readonly (readonly (string | undefined)[])[]> {
  const client = new AthenaClient({
    endpoint: gateway.awsUrl,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  const athena = createAthena({ client, workGroup: 'tollgate-dev', clock: systemClock, pause });
  try {
    return await athena.run(sql, Date.now() + 30_000);
  } finally {
    client.destroy();
  }
}

it('lets no caller wait for the metering of the call, and books each once', async () => {
  // The first call starts the function; a process closes its books before it takes the next call.
  await call(false);
  for (const stream of [false, true]) {
    await new Promise((resolve) => setTimeout(resolve, 2 * KINESIS_MS));
    expect(await call(stream)).toBeLessThan(KINESIS_MS);
  }
  expect(relay.bytes).toBeGreaterThan(0);
  const rows = await eventually(async () => {
    await writeLedger('recent');
    const found = await askLedger(
      `SELECT entry_id = request_id, entry_kind, cost_nano_usd > 0, trace_id, attempt_id LIKE 'req_%/1', stream
       FROM ledger ORDER BY event_time_ms`,
    );
    expect(found).toHaveLength(3);
    return found;
  });
  const booked = ['true', 'call', 'true', TRACE, 'true'];
  expect(rows).toEqual([
    [...booked, 'false'],
    [...booked, 'false'],
    [...booked, 'true'],
  ]);
  await writeLedger('wide');
  expect(await askLedger('SELECT count(*) FROM ledger')).toEqual([['3']]);
}, 90_000);

it('closes months that are over, and only those', async () => {
  const close = (period: unknown) =>
    gateway.admin('POST', '/ledger/close', JSON.stringify({ period }));
  expect(await gateway.admin('GET', '/ledger/close')).toEqual({
    status: 200,
    json: { closedThrough: null, firstOpenPeriod: null },
  });
  const thisMonth = new Date().toISOString().slice(0, 7);
  for (const period of [thisMonth, '2026-13', 7, undefined]) {
    expect(await close(period)).toMatchObject({
      status: 400,
      json: { error: { code: 'invalid_period' } },
    });
  }
  const closed = { status: 200, json: { closedThrough: '2025-12', firstOpenPeriod: '2026-01' } };
  expect(await close('2025-12')).toEqual(closed);
  expect(await close('2025-11')).toEqual(closed);
  await writeLedger('recent');
});
