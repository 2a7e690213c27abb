import { join } from 'node:path';
import * as z from 'zod';
import type { Clock } from '../../core/clock.ts';
import { type JsonService, type OperationContext, operation } from './json-service.ts';
import { checkedName, nameOf } from './names.ts';
import { openStream, type RecordStream, type StreamRecord } from './streams.ts';
import { AwsError } from './wire.ts';

export interface Kinesis {
  readonly service: JsonService;
  create(name: string): void;
  /** Throws ResourceNotFoundException. */
  stream(name: string): RecordStream;
  streamArn(name: string): string;
  close(): void;
}

export const SHARD_ID = 'shardId-000000000000';

const MAX_RECORDS = 500;
const MAX_RECORD_BYTES = 1_048_576;
const MAX_REQUEST_BYTES = 5_242_880;
const MAX_READ_RECORDS = 10_000;
const MAX_READ_BYTES = 10_485_760;
const SEQUENCE_PREFIX = '49';
const SEQUENCE_DIGITS = 54;

/** Streams of one shard each. */
export function createKinesis(options: {
  dir: string;
  clock: Clock;
  arn: (service: string, resource: string) => string;
}): Kinesis {
  const { dir, clock, arn } = options;
  const streams = new Map<string, RecordStream>();

  function create(name: string): void {
    if (streams.has(name)) return;
    streams.set(name, openStream({ name, dir: join(dir, checkedName(name)), clock }));
  }
  function stream(name: string): RecordStream {
    const found = streams.get(name);
    if (found !== undefined) return found;
    throw new AwsError('ResourceNotFoundException', `Stream ${name} not found`);
  }
  const streamOf = (input: StreamReference): RecordStream =>
    stream(input.StreamName ?? nameOf(input.StreamARN ?? ''));
  const streamArn = (name: string): string => arn('kinesis', `stream/${name}`);

  const operations = {
    CreateStream: operation(z.object({ StreamName: z.string() }), ({ StreamName }) => {
      create(StreamName);
    }),
    DescribeStreamSummary: operation(streamReferenceSchema, (input) => {
      const { name } = streamOf(input);
      return { StreamDescriptionSummary: summary(name, streamArn(name)) };
    }),
    ListShards: operation(streamReferenceSchema, (input) => ({
      Shards: [shard(streamOf(input))],
    })),
    PutRecord: operation(putRecordSchema, (input) => {
      checkSizes([input]);
      const position = streamOf(input).append([stored(input)]);
      return { ShardId: SHARD_ID, SequenceNumber: sequenceNumber(position) };
    }),
    PutRecords: operation(putRecordsSchema, (input, context) => {
      checkSizes(input.Records);
      return putRecords(streamOf(input), input.Records, context);
    }),
    GetShardIterator: operation(iteratorRequestSchema, (input) => {
      const source = streamOf(input);
      return { ShardIterator: iterator(source, startPosition(source, input)) };
    }),
    GetRecords: operation(getRecordsSchema, ({ ShardIterator, Limit }) => {
      const { name, position } = parseIterator(ShardIterator);
      return getRecords({ source: stream(name), position, limit: Limit, clock });
    }),
  };
  return {
    service: {
      name: 'kinesis',
      target: 'Kinesis_20131202',
      throttleCode: 'ProvisionedThroughputExceededException',
      operations,
    },
    create,
    stream,
    streamArn,
    close() {
      for (const open of streams.values()) open.close();
    },
  };
}

/** Decimal and of one length, so that text and numbers sort alike. */
export function sequenceNumber(position: number): string {
  return SEQUENCE_PREFIX + String(position).padStart(SEQUENCE_DIGITS, '0');
}

export function positionOf(sequence: string): number {
  const position = Number(sequence.slice(SEQUENCE_PREFIX.length));
  if (sequence.startsWith(SEQUENCE_PREFIX) && Number.isSafeInteger(position)) return position;
  throw new AwsError('InvalidArgumentException', `Not a sequence number: ${sequence}`);
}

const streamReferenceSchema = z.object({
  StreamName: z.optional(z.string()),
  StreamARN: z.optional(z.string()),
});
type StreamReference = z.infer<typeof streamReferenceSchema>;

const entrySchema = z.object({ Data: z.string(), PartitionKey: z.string().min(1).max(256) });
type Entry = z.infer<typeof entrySchema>;

const putRecordSchema = streamReferenceSchema.extend(entrySchema.shape);
const putRecordsSchema = streamReferenceSchema.extend({
  Records: z.array(entrySchema).min(1).max(MAX_RECORDS),
});
const iteratorRequestSchema = streamReferenceSchema.extend({
  ShardId: z.literal(SHARD_ID),
  ShardIteratorType: z.enum([
    'TRIM_HORIZON',
    'LATEST',
    'AT_SEQUENCE_NUMBER',
    'AFTER_SEQUENCE_NUMBER',
    'AT_TIMESTAMP',
  ]),
  StartingSequenceNumber: z.optional(z.string()),
  /** Epoch seconds. */
  Timestamp: z.optional(z.number()),
});
const getRecordsSchema = z.object({
  ShardIterator: z.string(),
  Limit: z.number().int().min(1).max(MAX_READ_RECORDS).default(MAX_READ_RECORDS),
});

function checkSizes(entries: readonly Entry[]): void {
  let total = 0;
  for (const { Data, PartitionKey } of entries) {
    const bytes = Buffer.byteLength(Data, 'base64') + Buffer.byteLength(PartitionKey);
    if (bytes > MAX_RECORD_BYTES) {
      throw new AwsError(
        'InvalidArgumentException',
        `A record is larger than ${MAX_RECORD_BYTES} bytes`,
      );
    }
    total += bytes;
  }
  if (total > MAX_REQUEST_BYTES) {
    throw new AwsError('InvalidArgumentException', `Records exceed ${MAX_REQUEST_BYTES} bytes`);
  }
}

function putRecords(
  target: RecordStream,
  entries: readonly Entry[],
  { isPartial }: OperationContext,
): unknown {
  const isRefused = (index: number): boolean => isPartial && index % 2 === 1;
  let next = target.append(entries.filter((_, index) => !isRefused(index)).map(stored));
  const Records = entries.map((_, index) => {
    if (isRefused(index)) {
      return { ErrorCode: 'ProvisionedThroughputExceededException', ErrorMessage: 'Rate exceeded' };
    }
    next += 1;
    return { ShardId: SHARD_ID, SequenceNumber: sequenceNumber(next - 1) };
  });
  return { FailedRecordCount: Records.filter((record) => 'ErrorCode' in record).length, Records };
}

function stored({ Data, PartitionKey }: Entry): { dataBase64: string; partitionKey: string } {
  return { dataBase64: Data, partitionKey: PartitionKey };
}

function startPosition(source: RecordStream, input: z.infer<typeof iteratorRequestSchema>): number {
  switch (input.ShardIteratorType) {
    case 'TRIM_HORIZON':
      return source.start;
    case 'LATEST':
      return source.end;
    case 'AT_SEQUENCE_NUMBER':
      return positionOf(input.StartingSequenceNumber ?? '');
    case 'AFTER_SEQUENCE_NUMBER':
      return positionOf(input.StartingSequenceNumber ?? '') + 1;
    case 'AT_TIMESTAMP':
      return positionAt(source, (input.Timestamp ?? 0) * 1000);
  }
}

function positionAt(source: RecordStream, timeMs: number): number {
  for (let from = source.start; from < source.end; ) {
    const page = source.read(from, { maxLines: MAX_READ_RECORDS, maxBytes: MAX_READ_BYTES });
    const hit = page.find((record) => record.arrivedAtMs >= timeMs);
    if (hit !== undefined) return hit.position;
    from += page.length;
  }
  return source.end;
}

function iterator(source: RecordStream, position: number): string {
  return Buffer.from(`${source.name}:${position}`).toString('base64');
}

function parseIterator(text: string): { name: string; position: number } {
  const [name = '', position = ''] = Buffer.from(text, 'base64').toString('utf8').split(':');
  if (/^\d+$/.test(position)) return { name, position: Number(position) };
  throw new AwsError('InvalidArgumentException', 'Invalid ShardIterator');
}

function getRecords(options: {
  source: RecordStream;
  position: number;
  limit: number;
  clock: Clock;
}): unknown {
  const { source, limit, clock } = options;
  const from = Math.max(options.position, source.start);
  const records = source.read(from, { maxLines: limit, maxBytes: MAX_READ_BYTES });
  const next = from + records.length;
  const newest = next < source.end ? records.at(-1)?.arrivedAtMs : undefined;
  return {
    Records: records.map(wireRecord),
    NextShardIterator: iterator(source, next),
    MillisBehindLatest: newest === undefined ? 0 : Math.max(0, clock.nowMs() - newest),
  };
}

function wireRecord(record: StreamRecord): unknown {
  return {
    SequenceNumber: sequenceNumber(record.position),
    ApproximateArrivalTimestamp: record.arrivedAtMs / 1000,
    Data: record.dataBase64,
    PartitionKey: record.partitionKey,
  };
}

function shard(source: RecordStream): unknown {
  return {
    ShardId: SHARD_ID,
    HashKeyRange: { StartingHashKey: '0', EndingHashKey: String(2n ** 128n - 1n) },
    SequenceNumberRange: { StartingSequenceNumber: sequenceNumber(source.start) },
  };
}

function summary(name: string, streamArn: string): unknown {
  return {
    StreamName: name,
    StreamARN: streamArn,
    StreamStatus: 'ACTIVE',
    StreamModeDetails: { StreamMode: 'ON_DEMAND' },
    RetentionPeriodHours: 24,
    StreamCreationTimestamp: 0,
    EnhancedMonitoring: [],
    OpenShardCount: 1,
  };
}
