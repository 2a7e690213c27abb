/** A bucket in the local S3, behind the adapter that the functions use. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLakeObjects, type OpenLakeObject } from '../../lambdas/adapters/lake-object.ts';
import { createObjects, type Objects } from '../../lambdas/adapters/objects.ts';
import { startLocalAws } from '../../local/aws/local-aws.ts';
import { clientsOf } from '../contract/aws/endpoint.ts';

export interface LocalObjects extends Objects {
  readonly open: OpenLakeObject;
  bytes(key: string): Uint8Array<ArrayBuffer>;
  text(key: string): string;
  close(): Promise<void>;
}

const BUCKET = 'lake';

export async function openLocalObjects(): Promise<LocalObjects> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-objects-'));
  const aws = await startLocalAws({ dataDir });
  aws.createBucket(BUCKET);
  const clients = clientsOf(aws.url);
  const bytes = (key: string) => Uint8Array.from(readFileSync(join(dataDir, 's3', BUCKET, key)));
  return {
    ...createObjects({ client: clients.s3, bucket: BUCKET }),
    open: createLakeObjects({ client: clients.s3, bucket: BUCKET }),
    bytes,
    text: (key) => Buffer.from(bytes(key)).toString('utf8'),
    async close() {
      clients.destroy();
      await aws.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
