/** A large object of the lake's bucket, read in parts. */
import { GetObjectCommand, HeadObjectCommand, NotFound, type S3Client } from '@aws-sdk/client-s3';

export interface LakeObject {
  readonly byteLength: number;
  /** The bytes from `start` up to before `end`. */
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

export type OpenLakeObject = (key: string) => Promise<LakeObject | undefined>;

/** Undefined where there is none. One that is replaced while it is read throws. */
export function createLakeObjects({
  client,
  bucket,
}: {
  readonly client: S3Client;
  readonly bucket: string;
}): OpenLakeObject {
  return async (key) => {
    const at = { Bucket: bucket, Key: key };
    const head = await client.send(new HeadObjectCommand(at)).catch((error: unknown) => {
      if (error instanceof NotFound) return undefined;
      throw error;
    });
    if (head === undefined) return undefined;
    const { ContentLength: byteLength = 0, ETag } = head;
    return {
      byteLength,
      async slice(start, end = byteLength) {
        const Range = `bytes=${start}-${end - 1}`;
        const { Body } = await client.send(new GetObjectCommand({ ...at, Range, IfMatch: ETag }));
        const bytes = await Body?.transformToByteArray();
        return Uint8Array.from(bytes ?? []).buffer;
      },
    };
  };
}
