/** Everything that a local instance has written to its folder, as text: logs, streams, events, lake, tables. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';

/** The files that hold secrets because that is what they are for. */
const KEPT_SECRET = /^(secrets\/|demo-key\.json$|instance\.json$)/;

export interface Written {
  readonly file: string;
  readonly text: string;
}

export async function writtenDown(dataDir: string): Promise<Written[]> {
  const files = readdirSync(dataDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dataDir, join(entry.parentPath, entry.name)))
    .filter((file) => !KEPT_SECRET.test(file));
  return Promise.all(
    files.map(async (file) => ({ file, text: await textOf(join(dataDir, file)) })),
  );
}

async function textOf(path: string): Promise<string> {
  const text = readFileSync(path, 'latin1');
  if (path.endsWith('.parquet')) {
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path) });
    return JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? String(value) : value));
  }
  // Records of a stream are kept in base64.
  const unpacked = text.match(/[A-Za-z0-9+/]{80,}={0,2}/g) ?? [];
  return [text, ...unpacked.map((each) => Buffer.from(each, 'base64').toString('latin1'))].join(
    '\n',
  );
}
