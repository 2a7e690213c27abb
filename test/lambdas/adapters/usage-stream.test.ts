import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../core/clock.ts';
import { createAws } from '../../../lambdas/adapters/aws-client.ts';
import { createUsageStream } from '../../../lambdas/adapters/usage-stream.ts';
import { clientsOf, type Endpoint, openEndpoint } from '../../contract/aws/endpoint.ts';
import { startSlowRelay } from '../../e2e/slow-relay.ts';
import { USAGE_EVENT } from '../../support/ledger-lake.ts';

const STREAM = 'usage';
let endpoint: Endpoint;
let received: string[];
let reports: string[];

beforeEach(async () => {
  endpoint = await openEndpoint();
  endpoint.local?.createStream(STREAM);
  endpoint.local?.createQueue({ name: 'spill' });
  received = [];
  reports = [];
  const spec = { name: 'reader', batchSize: 100 };
  endpoint.local?.consumeStream(STREAM, spec, async ({ Records }) => {
    received.push(...Records.map(({ kinesis }) => Buffer.from(kinesis.data, 'base64').toString()));
    return undefined;
  });
  vi.stubEnv('AWS_ENDPOINT_URL', endpoint.url);
  vi.stubEnv('AWS_REGION', 'us-east-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'local');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'local');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await endpoint.close();
});

const openStream = () =>
  createUsageStream({
    aws: createAws({ clock: systemClock }),
    streamName: STREAM,
    spillQueueUrl: endpoint.local?.queueUrl('spill') ?? '',
    report: (incident) => void reports.push(incident),
  });
const put = () => openStream().put(USAGE_EVENT);

async function spilled(): Promise<(string | undefined)[]> {
  const { sqs, destroy } = clientsOf(endpoint.url);
  const QueueUrl = endpoint.local?.queueUrl('spill');
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }),
  );
  destroy();
  return Messages.map(({ Body }) => Body);
}

describe('the usage stream', () => {
  it('puts an event as one line', async () => {
    await put();
    await expect.poll(() => received).toEqual([`${JSON.stringify(USAGE_EVENT)}\n`]);
    expect(await spilled()).toEqual([]);
  });

  it('tries again when it is refused once', async () => {
    let calls = 0;
    endpoint.local?.injectFaults(({ service }) => {
      if (service === 'kinesis') calls += 1;
      return service === 'kinesis' && calls === 1 ? 'throttle' : undefined;
    });
    await put();
    await expect.poll(() => received).toHaveLength(1);
    expect(reports).toEqual([]);
  });

  it('puts events that come together in few calls, each of them once', async () => {
    let calls = 0;
    endpoint.local?.injectFaults(({ service }) => {
      if (service === 'kinesis') calls += 1;
      return undefined;
    });
    const stream = openStream();
    const ids = Array.from({ length: 40 }, (_, index) => `req_${index}`);
    await Promise.all(ids.map((request_id) => stream.put({ ...USAGE_EVENT, request_id })));
    expect(calls).toBeLessThanOrEqual(4);
    await expect
      .poll(() => received.map((line) => JSON.parse(line).request_id).sort())
      .toEqual([...ids].sort());
  });

  it('tries those of a put again that were refused, and they alone', async () => {
    endpoint.local?.injectFaults(({ operation }) =>
      operation === 'PutRecords' ? 'partial' : undefined,
    );
    const stream = openStream();
    const ids = Array.from({ length: 9 }, (_, index) => `req_${index}`);
    const puts = ids.map((request_id) => stream.put({ ...USAGE_EVENT, request_id }));
    await Promise.all(puts);
    endpoint.local?.injectFaults(undefined);
    const rest = await spilled();
    const arrived = () => [...received, ...rest].map((line) => JSON.parse(line ?? '').request_id);
    await expect.poll(() => arrived().sort()).toEqual([...ids].sort());
  });

  it('spills an event that the stream refuses, whole', async () => {
    endpoint.local?.injectFaults(({ service }) => (service === 'kinesis' ? 'throttle' : undefined));
    await put();
    expect(reports).toEqual(['usage spilled']);
    expect(await spilled()).toEqual([JSON.stringify(USAGE_EVENT)]);
  });

  it('spills an event whose put gets no answer', async () => {
    // Leads nowhere: what is sent is never answered.
    const relay = await startSlowRelay(60_000);
    relay.target = endpoint.url;
    vi.stubEnv('AWS_ENDPOINT_URL_KINESIS', relay.url);
    const startedMs = performance.now();
    await put();
    expect(performance.now() - startedMs).toBeLessThan(12_000);
    expect(await spilled()).toEqual([JSON.stringify(USAGE_EVENT)]);
    relay.close();
  });

  it('fails when neither takes the event, so that its hold stays', async () => {
    endpoint.local?.injectFaults(() => 'error');
    await expect(put()).rejects.toThrow();
  });
});
