import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CONTRACT_ENDPOINT,
  clientsOf,
  type Endpoint,
  openEndpoint,
  uniqueName,
} from './endpoint.ts';

let endpoint: Endpoint;
let clients: ReturnType<typeof clientsOf>;
const Bucket = uniqueName('bucket');

beforeAll(async () => {
  endpoint = await openEndpoint();
  clients = clientsOf(endpoint.url);
  await clients.s3.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  clients.destroy();
  await endpoint.close();
});

const put = (Key: string, Body: string | Uint8Array) =>
  clients.s3.send(new PutObjectCommand({ Bucket, Key, Body }));

async function get(Key: string, Range?: string): Promise<Buffer> {
  const { Body } = await clients.s3.send(new GetObjectCommand({ Bucket, Key, Range }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

describe('S3', () => {
  it('stores a streamed body byte for byte, without the chunk framing', async () => {
    const data = randomBytes(300_000);
    const chunks = [data.subarray(0, 1), data.subarray(1, 70_000), data.subarray(70_000)];
    await clients.s3.send(
      new PutObjectCommand({
        Bucket,
        Key: 'stream',
        Body: Readable.from(chunks),
        ContentLength: data.length,
      }),
    );
    expect((await get('stream')).equals(data)).toBe(true);
  });

  it('gives type, metadata, size and checksum back', async () => {
    const Key = 'details';
    await clients.s3.send(
      new PutObjectCommand({
        Bucket,
        Key,
        Body: 'hello',
        ContentType: 'text/x-test',
        Metadata: { owner: 'me' },
      }),
    );
    const head = await clients.s3.send(
      new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }),
    );
    expect(head).toMatchObject({
      ContentLength: 5,
      ContentType: 'text/x-test',
      Metadata: { owner: 'me' },
      ETag: '"5d41402abc4b2a76b9719d911017c592"',
      ChecksumCRC32: 'NhCmhg==',
    });
  });

  it('refuses a body that does not have the checksum it claims', async () => {
    await expect(
      clients.s3.send(
        new PutObjectCommand({ Bucket, Key: 'broken', Body: 'hello', ChecksumCRC32: 'AAAAAA==' }),
      ),
    ).rejects.toMatchObject({ name: 'BadDigest' });
    await expect(get('broken')).rejects.toMatchObject({ name: 'NoSuchKey' });
  });

  it('serves ranges, and refuses one beyond the end', async () => {
    await put('range', '0123456789');
    expect(String(await get('range', 'bytes=2-4'))).toBe('234');
    expect(String(await get('range', 'bytes=7-'))).toBe('789');
    expect(String(await get('range', 'bytes=-3'))).toBe('789');
    await expect(get('range', 'bytes=10-')).rejects.toMatchObject({ name: 'InvalidRange' });
  });

  it('writes only once with If-None-Match', async () => {
    const once = new PutObjectCommand({ Bucket, Key: 'once', Body: '1', IfNoneMatch: '*' });
    await clients.s3.send(once);
    await expect(clients.s3.send(once)).rejects.toMatchObject({ name: 'PreconditionFailed' });
  });

  it('lists by prefix and delimiter, in pages, in UTF-8 order', async () => {
    const Prefix = 'list/';
    for (const key of ['b', 'a/2', 'a/1', 'ü', 'Z', 'c+d e&f']) await put(Prefix + key, key);
    const prefixes: (string | undefined)[] = [];
    const keys: (string | undefined)[] = [];
    for (let token: string | undefined, isFirst = true; isFirst || token !== undefined; ) {
      const page = await clients.s3.send(
        new ListObjectsV2Command({
          Bucket,
          Prefix,
          Delimiter: '/',
          MaxKeys: 2,
          ContinuationToken: token,
        }),
      );
      prefixes.push(...(page.CommonPrefixes ?? []).map((common) => common.Prefix));
      keys.push(...(page.Contents ?? []).map((object) => object.Key));
      token = page.NextContinuationToken;
      isFirst = false;
    }
    expect(prefixes).toEqual(['list/a/']);
    expect(keys).toEqual(['list/Z', 'list/b', 'list/c+d e&f', 'list/ü']);
  });

  it.each(['../../escape', 'a//b', './x', 'end/', 'with %41 and ?#', 'c:d', '..', 'tab\there'])(
    'keeps the key %j apart from the file system',
    async (key) => {
      const Key = `keys/${key}`;
      await put(Key, key);
      expect(String(await get(Key))).toBe(key);
      const { Contents } = await clients.s3.send(new ListObjectsV2Command({ Bucket, Prefix: Key }));
      expect(Contents?.map((object) => object.Key)).toEqual([Key]);
      await clients.s3.send(new DeleteObjectCommand({ Bucket, Key }));
      await expect(get(Key)).rejects.toMatchObject({ name: 'NoSuchKey' });
    },
  );

  it('deletes many at once, also what is not there', async () => {
    await put('many/1&2', 'x');
    const Objects = [{ Key: 'many/1&2' }, { Key: 'many/none' }];
    await clients.s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    await expect(get('many/1&2')).rejects.toMatchObject({ name: 'NoSuchKey' });
  });

  it('puts parts together in the order of their numbers', async () => {
    const Key = 'multipart';
    const { UploadId } = await clients.s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const parts = [randomBytes(5_242_880), randomBytes(100)];
    const Parts = await Promise.all(
      parts.map(async (Body, index) => {
        const part = { Bucket, Key, UploadId, PartNumber: index + 1 };
        const { ETag } = await clients.s3.send(new UploadPartCommand({ ...part, Body }));
        return { ETag, PartNumber: index + 1 };
      }),
    );
    const wrong = Parts.map((part) => ({ ...part, ETag: '"0"' }));
    const complete = (chosen: typeof Parts) =>
      clients.s3.send(
        new CompleteMultipartUploadCommand({
          Bucket,
          Key,
          UploadId,
          MultipartUpload: { Parts: chosen },
        }),
      );
    await expect(complete(wrong)).rejects.toMatchObject({ name: 'InvalidPart' });
    expect((await complete(Parts)).ETag).toMatch(/-2"$/);
    expect((await get(Key)).equals(Buffer.concat(parts))).toBe(true);
  });

  it('forgets an upload that is aborted', async () => {
    const Key = 'aborted';
    const { UploadId } = await clients.s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    await clients.s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    await expect(
      clients.s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: 'x' })),
    ).rejects.toMatchObject({ name: 'NoSuchUpload' });
  });

  it('answers by type for a bucket that is not there', async () => {
    await expect(
      clients.s3.send(new GetObjectCommand({ Bucket: 'no-such-bucket', Key: 'x' })),
    ).rejects.toMatchObject({ name: 'NoSuchBucket' });
  });

  // AWS has all of it.
  it.skipIf(CONTRACT_ENDPOINT !== undefined)('answers 501 to what it does not have', async () => {
    await put('tagged', 'x');
    const refused = { name: 'NotImplemented', $metadata: { httpStatusCode: 501 } };
    const tagged = { Bucket, Key: 'tagged' };
    await expect(clients.s3.send(new GetObjectTaggingCommand(tagged))).rejects.toMatchObject(
      refused,
    );
    await expect(
      clients.s3.send(new PutObjectCommand({ ...tagged, Body: 'x', Tagging: 'a=b' })),
    ).rejects.toMatchObject(refused);
  });
});
