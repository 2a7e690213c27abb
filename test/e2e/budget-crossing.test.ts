import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetRecordsCommand, GetShardIteratorCommand, KinesisClient } from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { eventually, type RunningGateway, startGateway } from './instance.ts';

/** Of $10, for the team and for its tenant: the small call spends 60 %, the big one the rest to the last nano-dollar. */
const POLICY = `time_zone: UTC
providers:
  openai: { kind: openai, base_url: https://api.openai.com, secret: openai }
models:
  small:
    tier: shared
    context_tokens: 128K
    max_output_tokens: 16K
    default_max_output_tokens: 60
    routes: [{ provider: openai, model: sim-small+tokens=60, price: { input: $0, output: "$100,000" } }]
  big:
    tier: shared
    context_tokens: 128K
    max_output_tokens: 16K
    default_max_output_tokens: 4000
    routes: [{ provider: openai, model: sim-small+tokens=4000+tps=100000, price: { input: $0, output: "$1,000" } }]
alert_channels:
  finance: { email: finance@example.com }
tenants:
  acme:
    limits: { monthly_budget: $10 }
    alerts: { notify: [finance] }
    teams:
      crossing:
        owner: lead@example.com
        limits: { monthly_budget: $10 }
        alerts: { notify: [finance] }
    projects:
      crossing: { team: crossing }
`;

const WITHIN_MS = 60_000;

let folder: string;
let gateway: RunningGateway;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tollgate-crossing-'));
  const policy = join(folder, 'policy.yaml');
  writeFileSync(policy, POLICY);
  gateway = await startGateway({ policy, dataDir: join(folder, 'data') });
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('one big call that crosses 70, 80 and 100 % of a budget at once', () => {
  it('tells each threshold once for each scope, within a minute, and nothing again when batches come again in any order', async () => {
    const { key } = await gateway.keyOf('crossing');
    await call(key, 'small');
    await eventually(() => expect(told().sort()).toEqual(['team 50', 'tenant 50']), WITHIN_MS);
    const beganMs = Date.now();
    await call(key, 'big');
    const all = ['team', 'tenant'].flatMap((scope) =>
      [50, 70, 80, 100].map((percent) => `${scope} ${percent}`),
    );
    await eventually(() => expect(told().sort()).toEqual(all.toSorted()), WITHIN_MS);
    await eventually(() => expect(mails()).toHaveLength(2 * all.length), WITHIN_MS);
    expect(Date.now() - beganMs).toBeLessThan(WITHIN_MS);

    const records = await delivered();
    expect(records.length).toBeGreaterThanOrEqual(2);
    for (const record of records.toReversed()) await deliver([record]);
    await deliver(records);
    await Promise.all([deliver(records.toReversed()), deliver([...records, ...records])]);
    // The router takes an event to people within a second or two.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect(told().sort()).toEqual(all.toSorted());
    expect(mails()).toHaveLength(2 * all.length);
  }, 180_000);
});

async function call(key: string, model: string): Promise<void> {
  const response = await fetch(`${gateway.baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Tell me everything.' }] }),
  });
  expect([response.status, await response.text()]).toEqual([200, expect.any(String)]);
}

const thresholdSchema = z.object({
  'detail-type': z.literal('Budget threshold crossed'),
  detail: z.object({ scope: z.string(), thresholdPercent: z.number(), limitUsd: z.string() }),
});

/** On the bus. */
function told(): string[] {
  return linesIn('events').flatMap((line) => {
    const event = thresholdSchema.safeParse(JSON.parse(line));
    if (!event.success) return [];
    const { scope, thresholdPercent } = event.data.detail;
    return [`${scope.split(':')[0]} ${thresholdPercent}`];
  });
}

/** In the platform team's topic and in that of the teams. */
function mails(): string[] {
  return linesIn('sns').filter((line) => line.includes('] budget found: '));
}

function linesIn(kind: 'events' | 'sns'): string[] {
  const path = join(gateway.dataDir, kind);
  return readdirSync(path)
    .flatMap((name) => readFileSync(join(path, name), 'utf8').split('\n'))
    .filter((line) => line !== '');
}

/** Every record of the usage stream, as the monitor's event source gives it. */
async function delivered() {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const client = new KinesisClient({ endpoint: gateway.awsUrl, region: 'us-east-1', credentials });
  const [StreamName] = readdirSync(join(gateway.dataDir, 'kinesis'));
  const ShardId = 'shardId-000000000000';
  const { ShardIterator } = await client.send(
    new GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON' }),
  );
  const { Records = [] } = await client.send(new GetRecordsCommand({ ShardIterator }));
  client.destroy();
  return Records.map(({ SequenceNumber, PartitionKey, Data = Buffer.of() }) => ({
    eventID: `${ShardId}:${SequenceNumber}`,
    eventName: 'aws:kinesis:record',
    eventSource: 'aws:kinesis',
    kinesis: {
      sequenceNumber: SequenceNumber,
      partitionKey: PartitionKey,
      data: Buffer.from(Data).toString('base64'),
      approximateArrivalTimestamp: Date.now() / 1000,
    },
  }));
}

type Delivered = Awaited<ReturnType<typeof delivered>>[number];

async function deliver(Records: readonly Delivered[]): Promise<void> {
  const url = `${gateway.awsUrl}/2015-03-31/functions/usage-monitor/invocations`;
  const response = await fetch(url, { method: 'POST', body: JSON.stringify({ Records }) });
  expect(await response.json()).toEqual({ batchItemFailures: [] });
}
