import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate, setTimeout as setTimeoutAsync } from 'node:timers/promises';
import * as z from 'zod';
import type { Clock, EpochMs } from '../../core/clock.ts';
import { writeFileAtomically } from './files.ts';
import { type JsonService, operation } from './json-service.ts';
import { checkedName } from './names.ts';
import { type Row, toParquet, toRow } from './parquet.ts';
import type { DeliveryStreamSpec } from './resources.ts';
import { openStream, type RecordStream, type StreamRecord } from './streams.ts';
import { AwsError } from './wire.ts';

export interface Firehose {
  readonly service: JsonService;
  create(spec: DeliveryStreamSpec): void;
  /** Delivers all that had arrived at the call. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const MAX_BATCH_ENTRIES = 500;
/** Records of one file: writing Parquet blocks the process, and this bounds it to a fraction of a second. */
const MAX_FILE_RECORDS = 5_000;
const RECORDS_AT_A_TIME = 250;
const RETRY_MS = 1_000;

export function createFirehose(options: {
  dir: string;
  clock: Clock;
  /** Longest buffering here, whatever the template says: a person waits for the rows. */
  maxBufferSeconds: number;
  sourceStream: (name: string) => RecordStream;
  /** Path of an object's file. */
  objectPath: (bucket: string, key: string) => string;
  log: (line: string) => void;
}): Firehose {
  const { dir, clock, sourceStream } = options;
  const deliveries = new Map<string, Delivery>();

  function directPut(name: string, records: readonly string[]): number {
    const delivery = deliveries.get(name);
    if (delivery === undefined) {
      throw new AwsError('ResourceNotFoundException', `Firehose ${name} not found`);
    }
    if (delivery.own === undefined) {
      throw new AwsError('InvalidArgumentException', `${name} reads from a Kinesis stream`);
    }
    return delivery.own.append(records.map((dataBase64) => ({ dataBase64 })));
  }

  return {
    service: firehoseService(directPut),
    create(spec) {
      if (deliveries.has(spec.name)) return;
      const own =
        spec.sourceStream === undefined
          ? openStream({ name: spec.name, dir: join(dir, checkedName(spec.name)), clock })
          : undefined;
      const source = own ?? sourceStream(spec.sourceStream ?? '');
      deliveries.set(spec.name, { own, ...startDelivery({ ...options, spec, source }) });
    },
    async flush() {
      await Promise.all([...deliveries.values()].map((delivery) => delivery.flush()));
    },
    async close() {
      for (const delivery of deliveries.values()) {
        await delivery.stop();
        delivery.own?.close();
      }
    },
  };
}

interface Delivery {
  /** The records of a delivery stream that has no Kinesis stream as its source. */
  readonly own: RecordStream | undefined;
  flush(): Promise<void>;
  stop(): Promise<void>;
}

const recordSchema = z.object({ Data: z.string() });

function firehoseService(
  directPut: (name: string, records: readonly string[]) => number,
): JsonService {
  return {
    name: 'firehose',
    target: 'Firehose_20150804',
    throttleCode: 'ServiceUnavailableException',
    operations: {
      PutRecord: operation(
        z.object({ DeliveryStreamName: z.string(), Record: recordSchema }),
        ({ DeliveryStreamName, Record }) => ({
          RecordId: String(directPut(DeliveryStreamName, [Record.Data])),
        }),
      ),
      PutRecordBatch: operation(
        z.object({
          DeliveryStreamName: z.string(),
          Records: z.array(recordSchema).min(1).max(MAX_BATCH_ENTRIES),
        }),
        ({ DeliveryStreamName, Records }, { isPartial }) => {
          const isRefused = (index: number): boolean => isPartial && index % 2 === 1;
          const accepted = Records.filter((_, index) => !isRefused(index));
          const first = directPut(
            DeliveryStreamName,
            accepted.map(({ Data }) => Data),
          );
          return {
            FailedPutCount: Records.length - accepted.length,
            RequestResponses: Records.map((_, index) =>
              isRefused(index)
                ? { ErrorCode: 'ServiceUnavailableException', ErrorMessage: 'Slow down.' }
                : { RecordId: String(first + index) },
            ),
          };
        },
      ),
    },
  };
}

interface DeliveryOptions {
  readonly spec: DeliveryStreamSpec;
  readonly source: RecordStream;
  readonly maxBufferSeconds: number;
  readonly objectPath: (bucket: string, key: string) => string;
  readonly log: (line: string) => void;
}

/** Delivers when the buffer is full, when it is old enough, or when told to; one delivery at a time. */
function startDelivery(options: DeliveryOptions): Omit<Delivery, 'own'> {
  const { spec, source, log } = options;
  const cursor = source.cursor(`firehose-${spec.name}`);
  const bufferMs = Math.min(spec.bufferSeconds, options.maxBufferSeconds) * 1000;
  let timer: { readonly waitMs: number; readonly handle: NodeJS.Timeout } | undefined;
  let isDelivering = false;
  let isStopped = false;
  let queue = Promise.resolve();

  async function deliverUntil(end: number): Promise<void> {
    while (cursor.position < end) {
      const records = source.read(cursor.position, {
        maxLines: MAX_FILE_RECORDS,
        maxBytes: spec.bufferBytes,
      });
      await deliver(options, records);
      cursor.commit((records.at(-1)?.position ?? cursor.position) + 1);
    }
  }
  function flush(): Promise<void> {
    const done = queue.then(() => deliverUntil(source.end));
    queue = done.catch(() => undefined);
    return done;
  }
  function schedule(): void {
    const pending = source.end - cursor.position;
    if (isStopped || isDelivering || pending <= 0) return;
    const isFull =
      pending >= MAX_FILE_RECORDS || source.bytesFrom(cursor.position) >= spec.bufferBytes;
    const waitMs = isFull ? 0 : bufferMs;
    // Only ever sooner: a timer set anew by each record would never fire under load.
    if (timer !== undefined && waitMs >= timer.waitMs) return;
    clearTimeout(timer?.handle);
    timer = { waitMs, handle: setTimeout(onTimer, waitMs) };
  }
  function onTimer(): void {
    timer = undefined;
    isDelivering = true;
    flush()
      .catch((error: unknown) => {
        log(`Firehose ${spec.name} cannot deliver: ${String(error)}`);
        return setTimeoutAsync(RETRY_MS, undefined, { ref: false });
      })
      .finally(() => {
        isDelivering = false;
        schedule();
      });
  }
  source.onAppend(schedule);
  schedule();
  return {
    flush,
    async stop() {
      isStopped = true;
      clearTimeout(timer?.handle);
      await queue;
    },
  };
}

/**
 * Writes one file an hour of arrival. A file is named by its first record's position: after a kill
 * between the file and the cursor the same records make the same names, and the repetition replaces.
 */
async function deliver(options: DeliveryOptions, records: readonly StreamRecord[]): Promise<void> {
  const { spec, objectPath } = options;
  for (const group of Map.groupBy(records, (record) => hourOf(record.arrivedAtMs)).values()) {
    const first = group[0];
    if (first === undefined) continue;
    const rows: Row[] = [];
    const failures: string[] = [];
    for (const [index, record] of group.entries()) {
      // Whoever puts records meanwhile must not wait for the whole file.
      if (index % RECORDS_AT_A_TIME === 0) await setImmediate();
      const json = Buffer.from(record.dataBase64, 'base64').toString('utf8');
      try {
        rows.push(toRow(spec.columns, json));
      } catch (error) {
        failures.push(errorLine(record, error));
      }
    }
    const write = (prefix: string, suffix: string, data: string | Uint8Array): void => {
      const folder = expandPrefix(prefix, first.arrivedAtMs);
      const key = `${folder}${spec.name}-1-${first.position}${suffix}`;
      writeFileAtomically(objectPath(spec.bucket, key), data);
    };
    if (rows.length > 0) write(spec.prefix, '.parquet', toParquet(spec.columns, rows));
    if (failures.length > 0) write(spec.errorPrefix, '', `${failures.join('\n')}\n`);
  }
}

/** Fills in `!{timestamp:...}` (UTC arrival), `!{firehose:error-output-type}` and a stable `!{firehose:random-string}`. */
function expandPrefix(template: string, arrivedAtMs: EpochMs): string {
  const [date = '', time = ''] = new Date(arrivedAtMs).toISOString().split('T');
  const [yyyy = '', MM = '', dd = ''] = date.split('-');
  const parts: Readonly<Record<string, string>> = {
    yyyy,
    MM,
    dd,
    HH: time.slice(0, 2),
    mm: time.slice(3, 5),
  };
  return template.replace(/!\{(\w+):([^}]+)\}/g, (whole, namespace: string, value: string) => {
    if (namespace === 'timestamp')
      return value.replace(/yyyy|MM|dd|HH|mm/g, (part) => parts[part] ?? part);
    if (value === 'error-output-type') return 'format-conversion-failed';
    if (value === 'random-string')
      return createHash('sha256').update(String(arrivedAtMs)).digest('hex').slice(0, 11);
    throw new Error(`unknown expression in a Firehose prefix: ${whole}`);
  });
}

function hourOf(timeMs: EpochMs): number {
  return Math.floor(timeMs / 3_600_000);
}

function errorLine(record: StreamRecord, error: unknown): string {
  return JSON.stringify({
    attemptsMade: 1,
    arrivalTimestamp: record.arrivedAtMs,
    errorCode: 'DataFormatConversion.MalformedData',
    errorMessage: String(error),
    rawData: record.dataBase64,
  });
}
