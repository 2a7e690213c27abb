import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { ObjectAddress } from './s3-store.ts';
import { AwsError, type WireRequest, type WireResponse } from './wire.ts';

export type S3Handler = (request: WireRequest, address: ObjectAddress) => WireResponse;

export interface UploadedBody {
  readonly data: Buffer;
  /** As the client sent it, in base64; checked. */
  readonly crc32: string | undefined;
}

/** Takes the aws-chunked framing off and compares every checksum that came with the body. */
export function readUpload(request: WireRequest): UploadedBody {
  const isChunked =
    request.headers['x-amz-content-sha256']?.startsWith('STREAMING-') === true ||
    request.headers['content-encoding']?.includes('aws-chunked') === true;
  const { data, trailers } = isChunked
    ? decodeChunks(request.body)
    : { data: request.body, trailers: new Map<string, string>() };
  const declared = request.headers['x-amz-decoded-content-length'];
  if (declared !== undefined && Number(declared) !== data.length) {
    throw new AwsError('IncompleteBody', `The body has ${data.length} bytes, not ${declared}`);
  }
  const header = (name: string): string | undefined => request.headers[name] ?? trailers.get(name);
  checkDigest(header('content-md5'), () => createHash('md5').update(data).digest('base64'));
  checkDigest(header('x-amz-checksum-sha1'), () =>
    createHash('sha1').update(data).digest('base64'),
  );
  checkDigest(header('x-amz-checksum-sha256'), () =>
    createHash('sha256').update(data).digest('base64'),
  );
  checkDigest(header('x-amz-checksum-crc32'), () => crc32Base64(data));
  for (const unsupported of ['x-amz-checksum-crc32c', 'x-amz-checksum-crc64nvme']) {
    if (header(unsupported) !== undefined) {
      throw new AwsError('NotImplemented', `not available locally: ${unsupported}`, 501);
    }
  }
  return { data, crc32: header('x-amz-checksum-crc32') };
}

export function detailsOf(request: WireRequest): {
  contentType: string;
  metadata: Record<string, string>;
} {
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (name.startsWith('x-amz-meta-') && value !== undefined) metadata[name] = value;
  }
  return { contentType: request.headers['content-type'] ?? 'binary/octet-stream', metadata };
}

export function quoted(etag: string): string {
  return `"${etag}"`;
}

function crc32Base64(data: Uint8Array): string {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(data));
  return sum.toString('base64');
}

function checkDigest(expected: string | undefined, actual: () => string): void {
  if (expected === undefined || expected === actual()) return;
  throw new AwsError('BadDigest', 'A checksum you specified did not match what we received.');
}

/** `size;extensions CRLF data CRLF`, repeated; a chunk of size 0 ends the data, and trailing headers follow. */
function decodeChunks(body: Buffer): { data: Buffer; trailers: Map<string, string> } {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.toString('latin1', at, lineEnd), 16);
    if (lineEnd === -1 || !(size >= 0))
      throw new AwsError('IncompleteBody', 'Broken aws-chunked body');
    at = lineEnd + 2;
    if (size === 0) {
      const lines = body
        .toString('latin1', at)
        .split('\r\n')
        .filter((line) => line.includes(':'));
      return { data: Buffer.concat(chunks), trailers: new Map(lines.map(headerOf)) };
    }
    chunks.push(body.subarray(at, at + size));
    at += size + 2;
  }
}

function headerOf(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}
