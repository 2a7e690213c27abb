import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { writeFileAtomically } from './files.ts';
import { detailsOf, quoted, readUpload, type S3Handler } from './s3-request.ts';
import type { ObjectStore } from './s3-store.ts';
import { AwsError, type WireRequest } from './wire.ts';
import { escapeXml, unescapeXml, xmlElements, xmlResponse } from './xml.ts';

const uploadSchema = z.object({
  bucket: z.string(),
  key: z.string(),
  contentType: z.string(),
  metadata: z.record(z.string(), z.string()),
});
type Upload = z.infer<typeof uploadSchema>;

/** Uploads in parts. The parts are files until the upload is completed or aborted. */
export function createMultipart({ store, dir }: { store: ObjectStore; dir: string }): {
  start: S3Handler;
  putPart: S3Handler;
  complete: S3Handler;
  abort: S3Handler;
} {
  function open(request: WireRequest): { upload: Upload; folder: string } {
    const id = request.query.get('uploadId') ?? '';
    const folder = join(dir, 's3-uploads', id);
    const path = join(folder, 'upload.json');
    if (!z.uuid().safeParse(id).success || !existsSync(path)) {
      throw new AwsError('NoSuchUpload', 'The specified upload does not exist.', 404);
    }
    return { upload: uploadSchema.parse(JSON.parse(readFileSync(path, 'utf8'))), folder };
  }

  return {
    start(request, address) {
      const id = randomUUID();
      const upload: Upload = { ...address, ...detailsOf(request) };
      writeFileAtomically(join(dir, 's3-uploads', id, 'upload.json'), JSON.stringify(upload));
      return xmlResponse(
        200,
        `<InitiateMultipartUploadResult><Bucket>${address.bucket}</Bucket><Key>${escapeXml(address.key)}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      );
    },
    putPart(request) {
      const { folder } = open(request);
      const { data, crc32 } = readUpload(request);
      const number = z.coerce
        .number()
        .int()
        .min(1)
        .max(10_000)
        .parse(request.query.get('partNumber'));
      writeFileAtomically(join(folder, String(number)), data);
      return xmlResponse(200, '', {
        etag: quoted(md5Of(data).toString('hex')),
        ...(crc32 === undefined ? {} : { 'x-amz-checksum-crc32': crc32 }),
      });
    },
    complete(request) {
      const { upload, folder } = open(request);
      const parts = xmlElements(readUpload(request).data.toString('utf8'), 'Part').map((xml) =>
        readPart(folder, xml),
      );
      const sums = Buffer.concat(parts.map(md5Of));
      const etag = `${md5Of(sums).toString('hex')}-${parts.length}`;
      store.put(upload, Buffer.concat(parts), { ...upload, etag });
      rmSync(folder, { recursive: true });
      return xmlResponse(
        200,
        `<CompleteMultipartUploadResult><Bucket>${upload.bucket}</Bucket><Key>${escapeXml(upload.key)}</Key><ETag>&quot;${etag}&quot;</ETag></CompleteMultipartUploadResult>`,
      );
    },
    abort(request) {
      rmSync(open(request).folder, { recursive: true });
      return xmlResponse(204, '');
    },
  };
}

/** The part that the client names, if it is the one that was uploaded. */
function readPart(folder: string, xml: string): Buffer {
  const [number = ''] = xmlElements(xml, 'PartNumber');
  const etag = unescapeXml(xmlElements(xml, 'ETag')[0] ?? '').replaceAll('"', '');
  const path = join(folder, number);
  const data = /^\d+$/.test(number) && existsSync(path) ? readFileSync(path) : undefined;
  if (data !== undefined && md5Of(data).toString('hex') === etag) return data;
  throw new AwsError('InvalidPart', 'One or more of the specified parts could not be found.');
}

function md5Of(data: Uint8Array): Buffer {
  return createHash('md5').update(data).digest();
}
