import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LocalAws, startLocalAws } from '../../../local/aws/local-aws.ts';
import { openQueue, type Queue } from '../../../local/aws/sqs-queue.ts';

let dataDir: string;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'tollgate-local-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

describe('the port', () => {
  let aws: LocalAws;
  beforeEach(async () => {
    aws = await startLocalAws({ dataDir });
  });
  afterEach(() => aws.close());

  function status(headers: Record<string, string>, body = '{}'): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const call = request(aws.url, { method: 'POST', headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      call.on('error', reject);
      call.end(body);
    });
  }

  it('is on the loopback address only', () => {
    expect(new URL(aws.url).hostname).toBe('127.0.0.1');
  });

  it.each([
    ['an operation it does not have', { 'x-amz-target': 'Kinesis_20131202.MergeShards' }, 501],
    ['a service it does not have', { 'x-amz-target': 'Logs_20140328.PutLogEvents' }, 501],
    ['a web page', { 'x-amz-target': 'AmazonSQS.SendMessage', origin: 'http://evil.example' }, 403],
    ['another name for this machine', { host: 'evil.example' }, 403],
    [
      'a query operation it does not have',
      { 'content-type': 'application/x-www-form-urlencoded' },
      501,
    ],
  ])('refuses %s', async (_, headers, expected) => {
    expect(await status(headers)).toBe(expected);
  });

  it('refuses a body that is not JSON, and goes on', async () => {
    const headers = { 'x-amz-target': 'secretsmanager.GetSecretValue' };
    expect(await status(headers, '{')).toBe(400);
    expect(await status(headers, '[]')).toBe(400);
    expect(await status(headers, '{"SecretId":"none"}')).toBe(400);
  });

  it('keeps the value of a secret that is declared again', async () => {
    const spec = { name: 'admin', arn: 'arn:aws:secretsmanager:x:0:secret:admin-abcdef' };
    aws.createSecret({ ...spec, value: 'first' });
    await aws.close();
    aws = await startLocalAws({ dataDir });
    aws.createSecret({ ...spec, value: 'second' });
    const response = await fetch(aws.url, {
      method: 'POST',
      headers: { 'x-amz-target': 'secretsmanager.GetSecretValue' },
      body: JSON.stringify({ SecretId: spec.arn.slice(0, -7) }),
    });
    expect(await response.json()).toMatchObject({ SecretString: 'first' });
  });

  it('refuses a name that would leave the data folder', () => {
    expect(() => aws.createStream('../outside')).toThrow('not a name');
    expect(() => aws.createBucket('..')).toThrow('not a name');
  });
});

describe('a queue', () => {
  let nowMs = 1_000;
  const open = (): Queue =>
    openQueue({
      spec: { name: 'q', visibilityTimeoutSeconds: 60 },
      path: join(dataDir, 'q.ndjson'),
      clock: { nowMs: () => nowMs },
      redrive: () => undefined,
    });
  const receive = async (queue: Queue) =>
    (await queue.receive({ max: 10, waitSeconds: 0 })).map(({ body }) => body);

  it('forgets what was removed and shows again what was in flight, after a restart', async () => {
    const first = open();
    const [gone] = first.send([{ body: 'gone' }, { body: 'kept' }]);
    first.send([{ body: 'later', delaySeconds: 10 }]);
    expect(await receive(first)).toEqual(['gone', 'kept']);
    first.remove([gone?.id ?? '']);
    first.close();
    const second = open();
    expect(await receive(second)).toEqual(['kept']);
    nowMs += 10_000;
    expect(await receive(second)).toEqual(['later']);
    second.close();
  });

  it('does not grow with what went through it', async () => {
    const queue = open();
    for (let index = 0; index < 20; index += 1) {
      const sent = queue.send([{ body: 'x'.repeat(1_000_000) }]);
      queue.remove(sent.map(({ id }) => id));
    }
    queue.send([{ body: 'last' }]);
    expect(statSync(join(dataDir, 'q.ndjson')).size).toBeLessThan(9_000_000);
    expect(await receive(queue)).toEqual(['last']);
    queue.close();
  });
});
