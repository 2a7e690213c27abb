import type { KinesisStreamRecord } from 'aws-lambda';
import type { Clock } from '../../core/clock.ts';
import { createDoorbell, type Doorbell } from './doorbell.ts';
import { positionOf, SHARD_ID, sequenceNumber } from './kinesis.ts';
import type { StreamConsumerSpec, StreamHandler } from './resources.ts';
import type { RecordStream, StreamRecord } from './streams.ts';
import { startLoop } from './work-loop.ts';

interface StreamConsumerOptions {
  readonly source: RecordStream;
  readonly streamArn: string;
  readonly spec: StreamConsumerSpec;
  readonly handler: StreamHandler;
  readonly clock: Clock;
  /** Takes records that were given up, and Lambda's description of them. */
  readonly discard: (description: unknown, records: readonly StreamRecord[]) => void;
  readonly log: (line: string) => void;
}

type Batch = readonly [StreamRecord, ...StreamRecord[]];

const MAX_BATCH_BYTES = 4_194_304;
const RETRY_MS = 500;
const IDLE_MS = 60_000;

/**
 * Reads a stream for a function as Lambda's event source mapping does: in order, one batch at a time,
 * the cursor moved after the work. Gives the function that ends it.
 */
export function startStreamConsumer(options: StreamConsumerOptions): () => Promise<void> {
  const { source, spec } = options;
  const cursor = source.cursor(`lambda-${spec.name}`);
  const appended = createDoorbell();
  source.onAppend(() => appended.ring());
  let limit = spec.batchSize;
  let failures = 0;

  function advance(position: number): void {
    cursor.commit(position);
    limit = spec.batchSize;
    failures = 0;
  }
  function giveUp(batch: Batch, condition: string): void {
    options.log(`${spec.name} gives up ${batch.length} records: ${condition}`);
    options.discard(describe(options, batch, { condition, invocations: failures }), batch);
    advance(endOf(batch));
  }
  async function work(batch: Batch, signal: AbortSignal): Promise<void> {
    const stale = staleRecords(options, batch);
    if (stale !== undefined) return giveUp(stale, 'RecordAgeExceeded');
    const done = await invoke(options, batch);
    if (done > batch[0].position) return advance(done);
    if (signal.aborted) return;
    failures += 1;
    if (spec.bisectOnError === true && batch.length > 1) {
      // Halving finds the record that fails without spending its retries on its neighbours.
      limit = Math.ceil(batch.length / 2);
      failures = 0;
    } else if (failures > (spec.retryAttempts ?? Number.POSITIVE_INFINITY)) {
      giveUp(batch, 'RetryAttemptsExhausted');
    } else {
      await createDoorbell().wait(RETRY_MS, signal);
    }
  }
  async function step(signal: AbortSignal): Promise<void> {
    if (cursor.position >= source.end) return appended.wait(IDLE_MS, signal);
    await fillBatch({ ...options, from: cursor.position, limit, appended, signal });
    const batch = source.read(cursor.position, { maxLines: limit, maxBytes: MAX_BATCH_BYTES });
    if (isBatch(batch) && !signal.aborted) await work(batch, signal);
  }

  return startLoop({ name: spec.name, step, log: options.log });
}

/** Waits out the batching window, unless the batch is full before. */
async function fillBatch(options: {
  source: RecordStream;
  spec: StreamConsumerSpec;
  clock: Clock;
  from: number;
  limit: number;
  appended: Doorbell;
  signal: AbortSignal;
}): Promise<void> {
  const { source, spec, clock, from, limit, appended, signal } = options;
  const untilMs = clock.nowMs() + (spec.maxBatchingWindowSeconds ?? 0) * 1000;
  for (let leftMs = untilMs - clock.nowMs(); leftMs > 0; leftMs = untilMs - clock.nowMs()) {
    if (signal.aborted || source.end - from >= limit) return;
    await appended.wait(leftMs, signal);
  }
}

/** Gives the position up to which the function has done the work. */
async function invoke(options: StreamConsumerOptions, batch: Batch): Promise<number> {
  const { spec, handler, log } = options;
  try {
    const response = await handler({
      Records: batch.map((record) => lambdaRecord(options, record)),
    });
    if (spec.reportBatchItemFailures !== true) return endOf(batch);
    const failed = (response?.batchItemFailures ?? []).map(({ itemIdentifier }) =>
      positionOf(itemIdentifier),
    );
    return Math.max(batch[0].position, Math.min(endOf(batch), ...failed));
  } catch (error) {
    log(`${spec.name} failed on ${batch.length} records: ${String(error)}`);
    return batch[0].position;
  }
}

function staleRecords({ spec, clock }: StreamConsumerOptions, batch: Batch): Batch | undefined {
  if (spec.maxRecordAgeSeconds === undefined) return undefined;
  const oldestMs = clock.nowMs() - spec.maxRecordAgeSeconds * 1000;
  const stale = batch.filter((record) => record.arrivedAtMs < oldestMs);
  return isBatch(stale) ? stale : undefined;
}

function isBatch(records: readonly StreamRecord[]): records is Batch {
  return records.length > 0;
}

function endOf(batch: Batch): number {
  return batch[0].position + batch.length;
}

function lambdaRecord(
  { streamArn }: StreamConsumerOptions,
  record: StreamRecord,
): KinesisStreamRecord {
  const sequence = sequenceNumber(record.position);
  return {
    awsRegion: streamArn.split(':')[3] ?? '',
    eventID: `${SHARD_ID}:${sequence}`,
    eventName: 'aws:kinesis:record',
    eventSource: 'aws:kinesis',
    eventSourceARN: streamArn,
    eventVersion: '1.0',
    invokeIdentityArn: 'arn:aws:iam::000000000000:role/local',
    kinesis: {
      approximateArrivalTimestamp: record.arrivedAtMs / 1000,
      data: record.dataBase64,
      kinesisSchemaVersion: '1.0',
      partitionKey: record.partitionKey ?? '',
      sequenceNumber: sequence,
    },
  };
}

/** The document that Lambda sends to an on-failure destination. */
function describe(
  { streamArn, clock }: StreamConsumerOptions,
  batch: Batch,
  { condition, invocations }: { condition: string; invocations: number },
): unknown {
  const last = batch.at(-1) ?? batch[0];
  return {
    requestContext: { condition, approximateInvokeCount: invocations },
    version: '1.0',
    timestamp: new Date(clock.nowMs()).toISOString(),
    KinesisBatchInfo: {
      shardId: SHARD_ID,
      startSequenceNumber: sequenceNumber(batch[0].position),
      endSequenceNumber: sequenceNumber(last.position),
      approximateArrivalOfFirstRecord: new Date(batch[0].arrivedAtMs).toISOString(),
      approximateArrivalOfLastRecord: new Date(last.arrivedAtMs).toISOString(),
      batchSize: batch.length,
      streamArn,
    },
  };
}
