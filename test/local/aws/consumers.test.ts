import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import type { KinesisStreamEvent } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LocalAws, startLocalAws } from '../../../local/aws/local-aws.ts';
import { clientsOf } from '../../contract/aws/endpoint.ts';

const STREAM = 'stream';
let dataDir: string;
let aws: LocalAws;
let clients: ReturnType<typeof clientsOf>;
let logged: string[];

async function start(): Promise<void> {
  aws = await startLocalAws({ dataDir, log: (line) => logged.push(line) });
  clients = clientsOf(aws.url);
  aws.createStream(STREAM);
  aws.createQueue({ name: 'lost' });
  aws.createQueue({ name: 'work', visibilityTimeoutSeconds: 1 });
}
async function stop(): Promise<void> {
  clients.destroy();
  await aws.close();
}

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'tollgate-consumers-'));
  logged = [];
  await start();
});
afterEach(async () => {
  await stop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function put(...values: string[]): Promise<void> {
  const Records = values.map((value) => ({
    Data: new TextEncoder().encode(value),
    PartitionKey: 'k',
  }));
  await clients.kinesis.send(new PutRecordsCommand({ StreamName: STREAM, Records }));
}

async function messagesOf(queue: string): Promise<(string | undefined)[]> {
  const { Messages } = await clients.sqs.send(
    new ReceiveMessageCommand({
      QueueUrl: aws.queueUrl(queue),
      MaxNumberOfMessages: 10,
      WaitTimeSeconds: 2,
    }),
  );
  return (Messages ?? []).map(({ Body }) => Body);
}

const valuesOf = ({ Records }: KinesisStreamEvent): string[] =>
  Records.map(({ kinesis }) => Buffer.from(kinesis.data, 'base64').toString());

describe('a function that reads a stream', () => {
  it('gets records in order, in batches, as Lambda gives them', async () => {
    const seen: KinesisStreamEvent[] = [];
    await put('a', 'b', 'c');
    aws.consumeStream(STREAM, { name: 'f', batchSize: 2 }, async (event) => {
      seen.push(event);
      return undefined;
    });
    await expect.poll(() => seen.flatMap(valuesOf)).toEqual(['a', 'b', 'c']);
    expect(seen.map(({ Records }) => Records.length)).toEqual([2, 1]);
    expect(seen[0]?.Records[0]).toMatchObject({
      eventSource: 'aws:kinesis',
      eventSourceARN: 'arn:aws:kinesis:us-east-1:000000000000:stream/stream',
      kinesis: { partitionKey: 'k', sequenceNumber: expect.stringMatching(/^\d{56}$/) },
    });
  });

  it('waits the batching window for a fuller batch', async () => {
    const seen: string[][] = [];
    const spec = { name: 'f', batchSize: 3, maxBatchingWindowSeconds: 10 };
    aws.consumeStream(STREAM, spec, async (event) => {
      seen.push(valuesOf(event));
      return undefined;
    });
    await put('a');
    await put('b', 'c');
    await expect.poll(() => seen).toEqual([['a', 'b', 'c']]);
  });

  it('goes on after a restart where it had stopped', async () => {
    const seen: string[] = [];
    const consume = (): void =>
      aws.consumeStream(STREAM, { name: 'f', batchSize: 10 }, async (event) => {
        seen.push(...valuesOf(event));
        return undefined;
      });
    consume();
    await put('a');
    await expect.poll(() => seen).toEqual(['a']);
    await stop();
    await start();
    await put('b');
    consume();
    await expect.poll(() => seen).toEqual(['a', 'b']);
  });

  it('gets what it reported as failed again, from the lowest number on', async () => {
    const seen: string[][] = [];
    await put('a', 'b', 'c');
    const spec = { name: 'f', batchSize: 10, reportBatchItemFailures: true };
    aws.consumeStream(STREAM, spec, async (event) => {
      seen.push(valuesOf(event));
      const failed = seen.length === 1 ? event.Records.slice(1).reverse() : [];
      return {
        batchItemFailures: failed.map(({ kinesis }) => ({
          itemIdentifier: kinesis.sequenceNumber,
        })),
      };
    });
    await expect
      .poll(() => seen)
      .toEqual([
        ['a', 'b', 'c'],
        ['b', 'c'],
      ]);
  });

  it('is spared the record that always fails: halved out, retried, described in the queue', async () => {
    const done: string[] = [];
    let attemptsAlone = 0;
    await put('a', 'b', 'poison', 'd');
    const spec = {
      name: 'f',
      batchSize: 10,
      bisectOnError: true,
      retryAttempts: 1,
      onFailure: { queue: 'lost' },
    };
    aws.consumeStream(STREAM, spec, async (event) => {
      const values = valuesOf(event);
      if (values.join() === 'poison') attemptsAlone += 1;
      if (values.includes('poison')) throw new Error('cannot');
      done.push(...values);
      return undefined;
    });
    await expect.poll(() => done, { timeout: 5_000 }).toEqual(['a', 'b', 'd']);
    expect(attemptsAlone).toBe(2);
    const [message] = await messagesOf('lost');
    expect(JSON.parse(message ?? '')).toMatchObject({
      requestContext: { condition: 'RetryAttemptsExhausted', approximateInvokeCount: 2 },
      KinesisBatchInfo: { batchSize: 1, shardId: 'shardId-000000000000' },
    });
  });

  it('leaves the records that it lost in a bucket, when that is its destination', async () => {
    aws.createBucket('losses');
    await put('poison');
    const spec = { name: 'f', batchSize: 1, retryAttempts: 0, onFailure: { bucket: 'losses' } };
    aws.consumeStream(STREAM, spec, () => Promise.reject(new Error('cannot')));
    const folder = join(dataDir, 's3', 'losses', 'aws', 'lambda', 'f');
    await expect.poll(() => readdirSync(join(folder, '..'), { recursive: true }).length).toBe(2);
    const [file = ''] = readdirSync(folder);
    const lost = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    expect(Buffer.from(lost.records[0].dataBase64, 'base64').toString()).toBe('poison');
  });
});

describe('a function that reads a queue', () => {
  it('gets again only what it reported as failed', async () => {
    const seen: string[] = [];
    for (const MessageBody of ['a', 'b']) {
      await clients.sqs.send(
        new SendMessageCommand({ QueueUrl: aws.queueUrl('work'), MessageBody }),
      );
    }
    const spec = { name: 'f', batchSize: 10, reportBatchItemFailures: true };
    aws.consumeQueue('work', spec, async ({ Records }) => {
      seen.push(...Records.map(({ body }) => body));
      const failed = seen.length === 2 ? Records.slice(1) : [];
      return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
    });
    await expect.poll(() => seen, { timeout: 5_000 }).toEqual(['a', 'b', 'b']);
    expect(await messagesOf('work')).toEqual([]);
  });
});

describe('an alert', () => {
  const putAlert = (team: string) =>
    clients.events.send(
      new PutEventsCommand({
        Entries: [
          {
            EventBusName: 'alerts',
            Source: 'tollgate',
            DetailType: 'Budget threshold crossed',
            Detail: JSON.stringify({ team }),
          },
        ],
      }),
    );

  it('is kept with its bus and its topic, shown, mailed, and given to functions', async () => {
    const invoked: unknown[] = [];
    aws.createBus('alerts');
    aws.createTopic('topic');
    aws.subscribeTopic('topic', { kind: 'email', address: 'ops@example.com' });
    aws.subscribeTopic('topic', {
      kind: 'function',
      name: 'notify',
      invoke: async (event) => void invoked.push(event),
    });
    aws.createRule({
      name: 'budget',
      bus: 'alerts',
      pattern: { source: ['tollgate'] },
      targets: [
        {
          kind: 'topic',
          name: 'topic',
          inputPaths: { team: '$.detail.team' },
          inputTemplate: '"Team <team>"',
        },
      ],
    });
    await putAlert('search');
    expect(logged).toEqual([
      'SNS topic: "Team search"',
      'E-mail to ops@example.com: "Team search"',
    ]);
    const kept = (path: string): unknown => JSON.parse(readFileSync(join(dataDir, path), 'utf8'));
    expect(kept('events/alerts.ndjson')).toMatchObject({ detail: { team: 'search' } });
    expect(kept('sns/topic.ndjson')).toMatchObject({ message: '"Team search"' });
    await expect
      .poll(() => invoked)
      .toMatchObject([
        { Records: [{ EventSource: 'aws:sns', Sns: { Message: '"Team search"' } }] },
      ]);
  });

  it('reaches a function that was down when it came, after a restart', async () => {
    const invoked: unknown[] = [];
    const declare = (invoke: (event: unknown) => Promise<void>): void => {
      aws.createBus('alerts');
      aws.createRule({
        name: 'budget',
        bus: 'alerts',
        pattern: { source: ['tollgate'] },
        targets: [{ kind: 'function', name: 'notify', invoke }],
      });
    };
    declare(() => Promise.reject(new Error('down')));
    await putAlert('search');
    await stop();
    await start();
    declare(async (event) => void invoked.push(event));
    await expect
      .poll(() => invoked, { timeout: 5_000 })
      .toMatchObject([{ detail: { team: 'search' } }]);
  });
});
