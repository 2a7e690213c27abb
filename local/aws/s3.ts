import { createReadStream, openSync } from 'node:fs';
import { listObjects } from './s3-listing.ts';
import { createMultipart } from './s3-multipart.ts';
import { detailsOf, quoted, readUpload, type S3Handler } from './s3-request.ts';
import type { ObjectAddress, ObjectStore, StoredObject } from './s3-store.ts';
import { AwsError, type WireRequest, type WireResponse } from './wire.ts';
import { escapeXml, unescapeXml, xmlElements, xmlError, xmlResponse } from './xml.ts';

/** Path-style S3. What is not in the table of routes is refused: a sub-resource ignored would be a promise broken. */
export function createS3(options: {
  store: ObjectStore;
  dir: string;
}): (request: WireRequest) => WireResponse {
  const { store } = options;
  const multipart = createMultipart(options);
  const routes: Readonly<Record<string, S3Handler>> = {
    'PUT bucket': (_request, { bucket }) => {
      store.createBucket(bucket);
      return xmlResponse(200, '', { location: `/${bucket}` });
    },
    'HEAD bucket': () => xmlResponse(200, ''),
    'GET bucket?list-type': (request, { bucket }) => listObjects(store, bucket, request.query),
    'POST bucket?delete': (request, { bucket }) => deleteObjects(store, bucket, request),
    'PUT object': (request, address) => putObject(store, request, address),
    'GET object': (request, address) => getObject(store, request, address),
    'HEAD object': (request, address) => getObject(store, request, address),
    'DELETE object': (_request, address) => {
      store.remove(address);
      return xmlResponse(204, '');
    },
    'POST object?uploads': multipart.start,
    'PUT object?partNumber&uploadId': multipart.putPart,
    'POST object?uploadId': multipart.complete,
    'DELETE object?uploadId': multipart.abort,
  };
  return (request) => {
    try {
      const address = addressOf(request.path);
      const route = routeOf(request, address);
      const handler = routes[route];
      const header = UNSUPPORTED_HEADERS.find((name) => request.headers[name] !== undefined);
      if (handler === undefined || header !== undefined) {
        throw new AwsError('NotImplemented', `not available locally: S3 ${header ?? route}`, 501);
      }
      if (route !== 'PUT bucket') store.checkBucket(address.bucket);
      return handler(request, address);
    } catch (error) {
      const response = xmlError(error, (xml) => `<Error>${xml}</Error>`);
      return request.method === 'HEAD' ? { ...response, body: '' } : response;
    }
  };
}

const UNSUPPORTED_HEADERS = [
  'x-amz-copy-source',
  'x-amz-tagging',
  'x-amz-object-lock-mode',
  'x-amz-object-lock-legal-hold',
  'x-amz-server-side-encryption-customer-algorithm',
];
/** Parameters that refine a listing; `x-id` is only the SDK's name for the operation. */
const REFINEMENTS = new Set([
  'x-id',
  'prefix',
  'delimiter',
  'max-keys',
  'continuation-token',
  'start-after',
]);

function addressOf(path: string): ObjectAddress {
  try {
    const [bucket = '', ...key] = path.slice(1).split('/').map(decodeURIComponent);
    return { bucket, key: key.join('/') };
  } catch {
    throw new AwsError('InvalidURI', "Couldn't parse the specified URI.");
  }
}

function routeOf({ method, query }: WireRequest, { key }: ObjectAddress): string {
  const names = [...new Set(query.keys())].filter((name) => !REFINEMENTS.has(name)).sort();
  const question = names.length === 0 ? '' : `?${names.join('&')}`;
  return `${method} ${key === '' ? 'bucket' : 'object'}${question}`;
}

function putObject(store: ObjectStore, request: WireRequest, address: ObjectAddress): WireResponse {
  const { data, crc32 } = readUpload(request);
  const existing = store.find(address);
  const { 'if-none-match': ifNoneMatch, 'if-match': ifMatch } = request.headers;
  const mayWrite =
    (ifNoneMatch === undefined || existing === undefined) &&
    (ifMatch === undefined || ifMatch === quoted(existing?.etag ?? ''));
  if (!mayWrite) {
    throw new AwsError('PreconditionFailed', 'A pre-condition you specified did not hold', 412);
  }
  const stored = store.put(address, data, { ...detailsOf(request), crc32 });
  return xmlResponse(200, '', {
    etag: quoted(stored.etag),
    ...(crc32 === undefined ? {} : { 'x-amz-checksum-crc32': crc32 }),
  });
}

function getObject(store: ObjectStore, request: WireRequest, address: ObjectAddress): WireResponse {
  const object = store.find(address);
  if (object === undefined) {
    throw new AwsError('NoSuchKey', 'The specified key does not exist.', 404);
  }
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch, range } = request.headers;
  if (ifMatch !== undefined && ifMatch !== quoted(object.etag)) {
    throw new AwsError('PreconditionFailed', 'A pre-condition you specified did not hold', 412);
  }
  if (ifNoneMatch === quoted(object.etag)) return { status: 304, headers: {}, body: '' };
  const part = range === undefined ? undefined : parseRange(range, object.bytes);
  const { start, end } = part ?? { start: 0, end: object.bytes - 1 };
  const headers = {
    ...objectHeaders(object),
    'content-length': String(end - start + 1),
    ...(part === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${object.bytes}` }),
    // The checksum of the whole says nothing about a part.
    ...(part === undefined && object.crc32 !== undefined
      ? { 'x-amz-checksum-crc32': object.crc32, 'x-amz-checksum-type': 'FULL_OBJECT' }
      : {}),
  };
  const hasBody = request.method === 'GET' && object.bytes > 0;
  const body = hasBody
    ? // Opened now, so that a later replacement does not change what this answer promised.
      createReadStream('', { fd: openSync(object.path, 'r'), start, end })
    : '';
  return { status: part === undefined ? 200 : 206, headers, body };
}

function objectHeaders(object: StoredObject): Record<string, string> {
  return {
    etag: quoted(object.etag),
    'content-type': object.contentType,
    'last-modified': new Date(object.modifiedAtMs).toUTCString(),
    'accept-ranges': 'bytes',
    ...object.metadata,
  };
}

/** One range; undefined, which is the whole object, for what is no byte range. */
function parseRange(header: string, bytes: number): { start: number; end: number } | undefined {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header) ?? [];
  if (from === '' && to === '') return undefined;
  const start = from === '' ? Math.max(0, bytes - Number(to)) : Number(from);
  const end = from === '' || to === '' ? bytes - 1 : Math.min(Number(to), bytes - 1);
  if (start <= end) return { start, end };
  throw new AwsError('InvalidRange', 'The requested range is not satisfiable', 416);
}

function deleteObjects(store: ObjectStore, bucket: string, request: WireRequest): WireResponse {
  const xml = readUpload(request).data.toString('utf8');
  const keys = xmlElements(xml, 'Key').map(unescapeXml);
  for (const key of keys) store.remove({ bucket, key });
  const isQuiet = xmlElements(xml, 'Quiet')[0] === 'true';
  const deleted = keys.map((key) => `<Deleted><Key>${escapeXml(key)}</Key></Deleted>`);
  return xmlResponse(200, `<DeleteResult>${isQuiet ? '' : deleted.join('')}</DeleteResult>`);
}
