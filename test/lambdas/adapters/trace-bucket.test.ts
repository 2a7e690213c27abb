import { CreateBucketCommand, GetObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/clock.ts';
import { createBackgroundRequests } from '../../../lambdas/adapters/background-request.ts';
import { createTraceBucket } from '../../../lambdas/adapters/trace-bucket.ts';
import { clientsOf, type Endpoint, openEndpoint, uniqueName } from '../../contract/aws/endpoint.ts';
import { type ScriptedProvider, startScriptedProvider } from '../../support/scripted-provider.ts';

const credentials = {
  get: async () => ({ accessKeyId: 'AKID', secretAccessKey: 'secret', sessionToken: undefined }),
  renew: async () => undefined,
};
const background = createBackgroundRequests();
const bucketAt = (endpoint: string, bucket: string) =>
  createTraceBucket({
    bucket,
    region: 'us-east-1',
    endpoint,
    credentials,
    clock: systemClock,
    send: background.send,
  });

let endpoint: Endpoint;
let broken: ScriptedProvider;
beforeAll(async () => {
  [endpoint, broken] = await Promise.all([openEndpoint(), startScriptedProvider()]);
});
afterAll(async () => {
  background.close();
  await Promise.all([endpoint.close(), broken.close()]);
});

describe('the trace store', () => {
  it('holds a record under its key, byte for byte', async () => {
    const Bucket = uniqueName('traces');
    const clients = clientsOf(endpoint.url);
    await clients.s3.send(new CreateBucketCommand({ Bucket }));
    const Key = 'hot/acme%2Fwest/req_1 ü.json';
    await bucketAt(endpoint.url, Bucket).put({ key: Key, body: '{"text":"größer"}' });
    const { Body } = await clients.s3.send(new GetObjectCommand({ Bucket, Key }));
    expect(await Body?.transformToString()).toBe('{"text":"größer"}');
    clients.destroy();
  });

  it('is signed, tried twice, and says why it failed', async () => {
    broken.answer({ status: 503, body: 'SlowDown' });
    const put = bucketAt(broken.url, 'traces').put({ key: 'hot/acme/req_1.json', body: '{}' });
    await expect(put).rejects.toThrow(/answered 503/);
    expect(broken.sent.map(({ path }) => path)).toEqual([
      '/traces/hot/acme/req_1.json',
      '/traces/hot/acme/req_1.json',
    ]);
    expect(broken.sent[0]?.headers['authorization']).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/us-east-1\/s3\/aws4_request, /,
    );
  });
});
