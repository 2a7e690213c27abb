/** Objects of one bucket in S3. */
import {
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';

export interface Objects {
  /** Replaces what is there. */
  put(key: string, object: StoredObject): Promise<void>;
  /** False where an object has the key already: that one stays. */
  putIfAbsent(key: string, text: string): Promise<boolean>;
  /** Undefined where there is none. */
  read(key: string): Promise<string | undefined>;
  /** `s3://` address of a key. */
  address(key: string): string;
  /** Where a person signed in to AWS finds what is below a folder. */
  consoleUrl(folder: string): Promise<string>;
}

export interface StoredObject {
  readonly body: string | Uint8Array;
  readonly contentType: string;
}

export function createObjects({
  client,
  bucket,
}: {
  readonly client: S3Client;
  readonly bucket: string;
}): Objects {
  const at = (key: string) => ({ Bucket: bucket, Key: key });
  return {
    async put(key, { body, contentType }) {
      await client.send(new PutObjectCommand({ ...at(key), Body: body, ContentType: contentType }));
    },
    async putIfAbsent(key, text) {
      try {
        const command = { ...at(key), Body: text, ContentType: 'text/plain', IfNoneMatch: '*' };
        await client.send(new PutObjectCommand(command));
        return true;
      } catch (error) {
        if (error instanceof S3ServiceException && error.name === 'PreconditionFailed')
          return false;
        throw error;
      }
    },
    async read(key) {
      try {
        const { Body } = await client.send(new GetObjectCommand(at(key)));
        return await Body?.transformToString();
      } catch (error) {
        if (error instanceof NoSuchKey) return undefined;
        throw error;
      }
    },
    address: (key) => `s3://${bucket}/${key}`,
    consoleUrl: async (folder) => consoleUrl(await client.config.region(), bucket, folder),
  };
}

const CONSOLES: readonly (readonly [regions: RegExp, host: string])[] = [
  [/^cn-/, 'console.amazonaws.cn'],
  [/^us-gov-/, 'console.amazonaws-us-gov.com'],
];

function consoleUrl(region: string, bucket: string, folder: string): string {
  const [, host] = CONSOLES.find(([regions]) => regions.test(region)) ?? [];
  const url = new URL(`https://${region}.${host ?? 'console.aws.amazon.com'}/s3/buckets/${bucket}`);
  url.searchParams.set('region', region);
  url.searchParams.set('prefix', folder);
  return url.href;
}
