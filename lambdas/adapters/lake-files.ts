/** Whole texts in the lake's bucket: what is small and read at once. */
import { GetObjectCommand, NoSuchKey, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';

export interface LakeFiles {
  /** Undefined when there is none. */
  read(key: string): Promise<string | undefined>;
  write(key: string, text: string, contentType?: string): Promise<void>;
}

export function createLakeFiles({
  client,
  bucket,
}: {
  readonly client: S3Client;
  readonly bucket: string;
}): LakeFiles {
  return {
    async read(key) {
      try {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        return await Body?.transformToString('utf8');
      } catch (error) {
        if (error instanceof NoSuchKey) return undefined;
        throw error;
      }
    },
    async write(key, text, contentType = 'application/json') {
      const put = { Bucket: bucket, Key: key, Body: text, ContentType: contentType };
      await client.send(new PutObjectCommand(put));
    },
  };
}
