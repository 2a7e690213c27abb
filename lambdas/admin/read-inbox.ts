/**
 * A report from the inbox of the lake as the text that invoices are parsed from: plain, packed by gzip, or Parquet.
 * However large it is, a few megabytes of it are in memory at a time, and what is not about Amazon Bedrock is passed over.
 */
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { REPORT_COLUMNS } from '../../core/invoices/aws-cost-and-usage.ts';
import { type RefusedInvoice, refused } from '../../core/invoices/invoice.ts';
import {
  createRecordFilter,
  type RecordFilter,
  TooLarge,
} from '../../core/invoices/record-filter.ts';
import type { LakeObject } from '../adapters/lake-object.ts';

export interface InboxText {
  readonly kind: 'text';
  readonly text: string;
  readonly passedOver: number;
}

const PART_BYTES = 4_000_000;
/** A row group is decoded at once, of the columns that count. */
const MAX_GROUP_ROWS = 2_000_000;

/** `isOver`: whoever asked waits no longer. */
export async function readInbox(
  object: LakeObject,
  isOver: () => boolean,
): Promise<InboxText | RefusedInvoice> {
  const filter = createRecordFilter();
  try {
    const magic = Buffer.from(await object.slice(0, Math.min(4, object.byteLength)));
    if (magic.toString('latin1') === 'PAR1') await readParquet(object, filter, isOver);
    else
      await readText(object, { filter, isPacked: magic[0] === 0x1f && magic[1] === 0x8b, isOver });
    return { kind: 'text', ...filter.end() };
  } catch (fault) {
    if (!(fault instanceof TooLarge || isUnreadable(fault))) throw fault;
    return refused([{ line: null, message: `the file cannot be read: ${fault.message}` }]);
  }
}

/** What zlib and the reader of Parquet say of broken files; a fault of S3 is no fault of the file. */
function isUnreadable(fault: unknown): fault is Error {
  if (!(fault instanceof Error)) return false;
  return ('code' in fault && String(fault.code).startsWith('Z_')) || /parquet/i.test(fault.message);
}

async function readText(
  object: LakeObject,
  { filter, isPacked, isOver }: { filter: RecordFilter; isPacked: boolean; isOver: () => boolean },
): Promise<void> {
  const decoder = new TextDecoder();
  const take = async (parts: AsyncIterable<Uint8Array>) => {
    for await (const part of parts) {
      stopWhen(isOver());
      filter.push(decoder.decode(part, { stream: true }));
    }
    filter.push(decoder.decode());
  };
  if (isPacked) await pipeline(partsOf(object), createGunzip(), take);
  else await take(partsOf(object));
}

function stopWhen(isOver: boolean): void {
  if (isOver) throw new TooLarge('it takes too long; export the lines of Amazon Bedrock alone');
}

async function* partsOf({ byteLength, slice }: LakeObject): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < byteLength; at += PART_BYTES)
    yield new Uint8Array(await slice(at, Math.min(byteLength, at + PART_BYTES)));
}

/** Row by row as lines of CSV, so that row n is line n + 1. */
async function readParquet(
  file: LakeObject,
  filter: RecordFilter,
  isOver: () => boolean,
): Promise<void> {
  const metadata = await parquetMetadataAsync(file);
  const columns = columnsOf(metadata);
  filter.push(`${columns.join(',')}\n`);
  let rowStart = 0;
  for (const { num_rows } of metadata.row_groups) {
    const rowEnd = rowStart + Number(num_rows);
    if (num_rows > MAX_GROUP_ROWS) throw new TooLarge(`a row group of ${num_rows} rows`);
    stopWhen(isOver());
    const rows = await parquetReadObjects({ file, metadata, columns, rowStart, rowEnd });
    for (const row of rows)
      filter.push(`${columns.map((column) => cell(row[column])).join(',')}\n`);
    rowStart = rowEnd;
  }
}

/** Those of the report that count, in the order of the first level of its schema. */
function columnsOf({ schema }: FileMetaData): string[] {
  const names = new Set(schema.map(({ name }) => name));
  return REPORT_COLUMNS.filter((column) => names.has(column));
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  const isPlain = typeof value !== 'object';
  const text =
    value instanceof Date ? value.toISOString() : isPlain ? String(value) : asJson(value);
  return `"${text.replaceAll('"', '""').replace(/[\r\n]+/g, ' ')}"`;
}

function asJson(value: object): string {
  return JSON.stringify(value, (_name, each: unknown) =>
    typeof each === 'bigint' ? String(each) : each,
  );
}
