import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { TEMPORARY_SUFFIX, writeFileAtomically } from './files.ts';
import { checkedName } from './names.ts';
import { AwsError } from './wire.ts';

/** Buckets are folders and objects are files, so that other programs (DuckDB) read them in place. */
export interface ObjectStore {
  createBucket(name: string, options?: { readonly isLocked: boolean }): void;
  /** Throws NoSuchBucket. */
  checkBucket(name: string): void;
  objectPath(bucket: string, key: string): string;
  put(address: ObjectAddress, data: Uint8Array, details: ObjectDetails): StoredObject;
  find(address: ObjectAddress): StoredObject | undefined;
  remove(address: ObjectAddress): void;
  /** Keys in UTF-8 order. */
  keys(bucket: string, prefix: string): readonly string[];
}

export interface ObjectAddress {
  readonly bucket: string;
  readonly key: string;
}

const detailsSchema = z.object({
  contentType: z.string(),
  /** `x-amz-meta-...` headers. */
  metadata: z.record(z.string(), z.string()),
  crc32: z.optional(z.string()),
  etag: z.optional(z.string()),
});
type ObjectDetails = Readonly<z.infer<typeof detailsSchema>>;
const keptDetailsSchema = detailsSchema.extend({ modifiedAtMs: z.number(), bytes: z.number() });

export interface StoredObject extends ObjectDetails {
  readonly path: string;
  readonly bytes: number;
  readonly modifiedAtMs: number;
  /** Without quotes. */
  readonly etag: string;
}

const MAX_KEY_BYTES = 1024;
const MAX_SEGMENT_BYTES = 240;
/** Stands for an empty part of a key: `a//b`, or the end of `a/`. */
const EMPTY_SEGMENT = '%';

export function createObjectStore(dir: string): ObjectStore {
  const bucketDir = (bucket: string): string => join(dir, 's3', bucket);
  const objectPath = (bucket: string, key: string): string =>
    join(bucketDir(bucket), ...segmentsOf(key));
  /** Beside the buckets, not in them: a listing or a query never meets it. */
  const detailsPath = ({ bucket, key }: ObjectAddress): string =>
    join(dir, 's3-details', bucket, createHash('sha256').update(key).digest('hex'));

  /** The cloud would keep the locked version beside a newer one; a folder has one, and that stays. */
  const locked = new Set<string>();
  function checkUnlocked(address: ObjectAddress): void {
    if (locked.has(address.bucket) && find(address) !== undefined)
      throw new AwsError(
        'AccessDenied',
        'Access Denied because object protected by object lock.',
        403,
      );
  }
  function checkBucket(name: string): void {
    if (/^[a-z0-9][a-z0-9.-]+$/.test(name) && existsSync(bucketDir(name))) return;
    throw new AwsError('NoSuchBucket', 'The specified bucket does not exist', 404);
  }
  function find(address: ObjectAddress): StoredObject | undefined {
    const path = objectPath(address.bucket, address.key);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined || !stats.isFile()) return undefined;
    const file = { path, bytes: stats.size, modifiedAtMs: stats.mtimeMs };
    const kept = readDetails(detailsPath(address));
    // A file that another program wrote has no details, or those of an object before it.
    if (
      kept !== undefined &&
      kept.modifiedAtMs === file.modifiedAtMs &&
      kept.bytes === file.bytes
    ) {
      return { ...kept, ...file, etag: kept.etag ?? fileTag(file) };
    }
    return { contentType: 'binary/octet-stream', metadata: {}, ...file, etag: fileTag(file) };
  }

  return {
    createBucket(name, { isLocked } = { isLocked: false }) {
      mkdirSync(bucketDir(checkedName(name)), { recursive: true });
      if (isLocked) locked.add(name);
    },
    checkBucket,
    objectPath,
    put({ bucket, key }, data, details) {
      checkUnlocked({ bucket, key });
      const path = objectPath(bucket, key);
      try {
        writeFileAtomically(path, data);
      } catch (error) {
        throw clashError(error);
      }
      const { size: bytes, mtimeMs: modifiedAtMs } = statSync(path);
      const etag = details.etag ?? createHash('md5').update(data).digest('hex');
      const kept = { ...details, etag, bytes, modifiedAtMs };
      writeFileAtomically(detailsPath({ bucket, key }), JSON.stringify(kept));
      return { ...kept, path };
    },
    find,
    remove(address) {
      checkUnlocked(address);
      const path = objectPath(address.bucket, address.key);
      if (find(address) !== undefined) rmSync(path);
      rmSync(detailsPath(address), { force: true });
      removeEmptyFolders(dirname(path), bucketDir(address.bucket));
    },
    keys(bucket, prefix) {
      const keys = listFiles(bucketDir(bucket), '').filter((key) => key.startsWith(prefix));
      return keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    },
  };
}

/** Parts that a file system would take for its own (`..`, empty) or that some do not allow are escaped. */
function segmentsOf(key: string): string[] {
  if (key === '' || Buffer.byteLength(key) > MAX_KEY_BYTES) {
    throw new AwsError('KeyTooLongError', 'Your key is empty or too long');
  }
  return key.split('/').map((part) => {
    const segment =
      part === ''
        ? EMPTY_SEGMENT
        : part.replace(/^\.+$|[%\\:*?"<>|]|\p{Cc}/gu, (text) =>
            [...text].map((one) => `%${one.charCodeAt(0).toString(16).padStart(2, '0')}`).join(''),
          );
    if (Buffer.byteLength(segment) <= MAX_SEGMENT_BYTES) return segment;
    throw new AwsError(
      'NotImplemented',
      'not available locally: a part of the key is too long',
      501,
    );
  });
}

/** S3 has no folders: one that holds nothing must not stand in the way of a key. */
function removeEmptyFolders(from: string, bucketDir: string): void {
  for (let folder = from; folder !== bucketDir && isEmpty(folder); folder = dirname(folder)) {
    rmdirSync(folder);
  }
}

function isEmpty(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).length === 0;
}

function listFiles(dir: string, prefix: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const part = entry.name === EMPTY_SEGMENT ? '' : unescapeSegment(entry.name);
    if (entry.isDirectory()) return listFiles(join(dir, entry.name), `${prefix}${part}/`);
    return entry.name.endsWith(TEMPORARY_SUFFIX) ? [] : [prefix + part];
  });
}

function unescapeSegment(segment: string): string {
  return segment.replace(/%([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function readDetails(path: string): z.infer<typeof keptDetailsSchema> | undefined {
  if (!existsSync(path)) return undefined;
  return keptDetailsSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
}

function fileTag({ bytes, modifiedAtMs }: { bytes: number; modifiedAtMs: number }): string {
  return createHash('md5').update(`${bytes}:${modifiedAtMs}`).digest('hex');
}

const CLASH_CODES: ReadonlySet<unknown> = new Set(['EISDIR', 'ENOTDIR', 'EEXIST', 'ENOTEMPTY']);

/** S3 can hold both `a` and `a/b`; a folder cannot. */
function clashError(error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error && CLASH_CODES.has(error.code))) return error;
  return new AwsError(
    'NotImplemented',
    'not available locally: an object and a folder of one name',
    501,
  );
}
