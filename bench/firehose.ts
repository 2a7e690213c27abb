/** `npm run bench:firehose`: usage events a second that the local Firehose writes as Parquet, from the stream's journal on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../core/clock.ts';
import { type ColumnType, usageEventColumns } from '../core/usage/event.ts';
import { createFirehose } from '../local/aws/firehose.ts';
import { openStream } from '../local/aws/streams.ts';
import { summarize } from './statistics.ts';

const GOAL_PER_SECOND = 20_000;
const WARM_UP = 1;

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '40000' },
    rounds: { type: 'string', default: '5' },
  },
});
const records = Array.from({ length: Number(values.events) }, (_, index) => ({
  dataBase64: Buffer.from(`${JSON.stringify(eventOf(index))}\n`).toString('base64'),
}));
const rates: number[] = [];
for (let round = 0; round < Number(values.rounds) + WARM_UP; round += 1) {
  const perSecond = await deliver();
  if (round >= WARM_UP) rates.push(perSecond);
}
const { median = 0, min, max } = summarize(rates) ?? {};
console.table({ events: records.length, columns: usageEventColumns.length, median, min, max });
process.exitCode = median >= GOAL_PER_SECOND ? 0 : 1;

async function deliver(): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-firehose-'));
  const stream = openStream({ name: 'usage', dir: join(dir, 'stream'), clock: systemClock });
  stream.append(records);
  const firehose = createFirehose({
    dir: join(dir, 'firehose'),
    clock: systemClock,
    maxBufferSeconds: 60,
    sourceStream: () => stream,
    objectPath: (bucket, key) => join(dir, bucket, key),
    log: (line) => console.error(line),
  });
  const startedMs = performance.now();
  firehose.create({
    name: 'delivery',
    sourceStream: 'usage',
    bucket: 'lake',
    prefix: 'usage/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/',
    errorPrefix: 'errors/',
    columns: usageEventColumns,
    bufferSeconds: 60,
    bufferBytes: 128 * 1_048_576,
  });
  await firehose.flush();
  const seconds = (performance.now() - startedMs) / 1_000;
  await firehose.close();
  stream.close();
  rmSync(dir, { recursive: true });
  return Math.round(records.length / seconds);
}

/** Texts repeat as tenants and models do; ids do not. A third of the columns say nothing, as in most events. */
function eventOf(index: number): Record<string, unknown> {
  return Object.fromEntries(
    usageEventColumns.map(({ name, type }, column) => [
      name,
      cellOf({ name, type, column, index }),
    ]),
  );
}

interface Cell {
  readonly name: string;
  readonly type: ColumnType;
  readonly column: number;
  readonly index: number;
}

function cellOf({ name, type, column, index }: Cell): unknown {
  if (name === 'request_id') return `req_${index.toString(36).padStart(22, '0')}`;
  if (column % 3 === 2) return null;
  if (type === 'boolean') return index % 2 === 0;
  return type === 'bigint' ? index * (column + 1) : `${name}-${index % 50}`;
}
