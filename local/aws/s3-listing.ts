import type { ObjectStore } from './s3-store.ts';
import { AwsError, type WireResponse } from './wire.ts';
import { escapeXml, xmlResponse } from './xml.ts';

const MAX_KEYS = 1000;

/** ListObjectsV2. The continuation token is the last key or common prefix given. */
export function listObjects(
  store: ObjectStore,
  bucket: string,
  query: URLSearchParams,
): WireResponse {
  if (query.get('list-type') !== '2') {
    throw new AwsError('NotImplemented', 'not available locally: only ListObjectsV2', 501);
  }
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const maxKeys = Math.min(MAX_KEYS, Number(query.get('max-keys') ?? MAX_KEYS));
  const token = query.get('continuation-token');
  const after =
    token === null
      ? (query.get('start-after') ?? '')
      : Buffer.from(token, 'base64url').toString('utf8');

  const rows = new Map<string, 'key' | 'prefix'>();
  let last = '';
  let isTruncated = false;
  for (const key of store.keys(bucket, prefix)) {
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const name = cut === -1 ? key : key.slice(0, cut + delimiter.length);
    if (Buffer.compare(Buffer.from(name), Buffer.from(after)) <= 0 || rows.has(name)) continue;
    isTruncated = rows.size >= maxKeys;
    if (isTruncated) break;
    rows.set(name, cut === -1 ? 'key' : 'prefix');
    last = name;
  }
  const next = `<NextContinuationToken>${Buffer.from(last).toString('base64url')}</NextContinuationToken>`;
  return xmlResponse(
    200,
    `<ListBucketResult><Name>${bucket}</Name><Prefix>${escapeXml(prefix)}</Prefix>` +
      `<KeyCount>${rows.size}</KeyCount><MaxKeys>${maxKeys}</MaxKeys>` +
      `<IsTruncated>${isTruncated}</IsTruncated>${isTruncated ? next : ''}` +
      [...rows].map(([name, kind]) => rowXml(store, { bucket, name, kind })).join('') +
      '</ListBucketResult>',
  );
}

function rowXml(
  store: ObjectStore,
  { bucket, name, kind }: { bucket: string; name: string; kind: 'key' | 'prefix' },
): string {
  if (kind === 'prefix') {
    return `<CommonPrefixes><Prefix>${escapeXml(name)}</Prefix></CommonPrefixes>`;
  }
  const object = store.find({ bucket, key: name });
  if (object === undefined) return '';
  return (
    `<Contents><Key>${escapeXml(name)}</Key><ETag>&quot;${object.etag}&quot;</ETag>` +
    `<LastModified>${new Date(object.modifiedAtMs).toISOString()}</LastModified>` +
    `<Size>${object.bytes}</Size><StorageClass>STANDARD</StorageClass></Contents>`
  );
}
