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
  };
}
