/** Documents of the catalog that outgrow an item: JSON, compressed, in parts. */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import {
  type PolicyHead,
  policyHeadSchema,
  policyPartKey,
  policyPartSchema,
} from '../../core/catalog/catalog-items.ts';
import type { PolicySnapshot } from '../../core/catalog/snapshot.ts';

/** An item holds 400 KB, names and keys included. */
const PART_BYTES = 370_000;
/** Far above any policy that passes the file's bounds; a stored document is never let unfold further. */
const MAX_DOCUMENT_BYTES = 128_000_000;

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** While the first items are on their way: making these schemas is a tenth of a start. */
export const loadSchemas = () => import('../../core/catalog/snapshot.ts');

/** At least one part. */
export async function packDocument(document: unknown): Promise<readonly Uint8Array[]> {
  const packed = await compress(JSON.stringify(document));
  const count = Math.max(1, Math.ceil(packed.length / PART_BYTES));
  return Array.from({ length: count }, (_, index) =>
    packed.subarray(index * PART_BYTES, (index + 1) * PART_BYTES),
  );
}

/** Throws where the parts are no document. */
async function unpackDocument(parts: readonly Uint8Array[]): Promise<unknown> {
  const text = await decompress(Buffer.concat(parts), { maxOutputLength: MAX_DOCUMENT_BYTES });
  return JSON.parse(text.toString('utf8'));
}

export type ReadItem = (key: string) => Promise<Readonly<Record<string, unknown>> | undefined>;

/** Throws where a part is missing or the snapshot is none: such a version must not serve. */
export async function readSnapshot(read: ReadItem, head: PolicyHead): Promise<PolicySnapshot> {
  const rest = await readParts(read, head, { of: 'snapshot', from: 1, to: head.snapshotParts });
  const { policySnapshotSchema } = await loadSchemas();
  const snapshot = policySnapshotSchema.parse(await unpackDocument([head.snapshot, ...rest]));
  if (snapshot.version !== head.version) throw new Error('a snapshot of another version');
  return snapshot;
}

/** The document that the version was made of. */
export async function readTree(read: ReadItem, head: PolicyHead): Promise<unknown> {
  return unpackDocument(await readParts(read, head, { of: 'tree', from: 0, to: head.treeParts }));
}

export function parseHead(item: unknown): PolicyHead | undefined {
  return policyHeadSchema.safeParse(item).data;
}

interface Range {
  readonly of: 'snapshot' | 'tree';
  readonly from: number;
  readonly to: number;
}

async function readParts(
  read: ReadItem,
  { version }: PolicyHead,
  { of, from, to }: Range,
): Promise<readonly Uint8Array[]> {
  const indexes = Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index);
  return Promise.all(
    indexes.map(
      async (index) => policyPartSchema.parse(await read(policyPartKey(version, of, index))).part,
    ),
  );
}
