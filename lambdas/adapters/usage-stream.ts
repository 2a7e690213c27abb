/**
 * Usage events to Kinesis, and to an SQS queue when Kinesis refuses or does not answer: an event is either
 * durable in one of the two or the call's books stay open. The partition key is the request id: a tenant's would
 * make hot shards, and order does not matter because events carry absolute values.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { asRecord, asText } from '../../core/dialects/json-record.ts';
import type { Report } from '../../core/report.ts';
import type { UsageSink } from '../../core/serve.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import type { Aws } from './aws-client.ts';
import { createGroupedPuts } from './grouped-puts.ts';

export interface UsageStreamOptions {
  readonly aws: Aws;
  readonly streamName: string;
  readonly spillQueueUrl: string;
  readonly report: Report;
}

/** A put that was taken without an answer is a copy more, which the ledger knows how to pass over. */
const PATIENCE = { attempts: 3, attemptMs: 2_000 };
/** A shard that takes no more takes more in the next second. */
const FIRST_PAUSE_MS = 100;

export function createUsageStream({
  aws,
  streamName,
  spillQueueUrl,
  report,
}: UsageStreamOptions): UsageSink {
  const kinesis = aws.client('kinesis', PATIENCE);
  const put = createGroupedPuts(async (Records) => {
    const answer = await kinesis.call('PutRecords', { StreamName: streamName, Records });
    return errorsOf(answer['Records'], Records.length);
  });
  const sqs = aws.client('sqs', PATIENCE);
  return usageSink({
    report,
    async putToStream(event) {
      // JSON lines: Firehose concatenates records, and the line feed is what keeps them apart.
      const Data = Buffer.from(`${JSON.stringify(event)}\n`).toString('base64');
      const record = { PartitionKey: event.request_id, Data };
      for (let attempt = 1; ; attempt += 1) {
        const error = await put(record);
        if (error === undefined) return;
        if (attempt >= PATIENCE.attempts) throw new Error(`the stream refuses a record: ${error}`);
        await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.5 + Math.random() / 2));
      }
    },
    async spill(event) {
      const MessageBody = JSON.stringify(event);
      await sqs.call('SendMessage', { QueueUrl: spillQueueUrl, MessageBody });
    },
  });
}

/** What the service does not say it has taken was not. */
function errorsOf(results: unknown, count: number): (string | undefined)[] {
  const each: readonly unknown[] = Array.isArray(results) ? results : [];
  return Array.from({ length: count }, (_, index) => {
    const { SequenceNumber, ErrorCode } = asRecord(each[index]) ?? {};
    return asText(SequenceNumber) === undefined ? (asText(ErrorCode) ?? 'no result') : undefined;
  });
}

interface TwoWays {
  readonly putToStream: (event: UsageEvent) => Promise<void>;
  readonly spill: (event: UsageEvent) => Promise<void>;
  readonly report: Report;
}

/** Rejects only when neither way took the event. */
export function usageSink({ putToStream, spill, report }: TwoWays): UsageSink {
  return {
    async put(event) {
      try {
        await putToStream(event);
      } catch (fault) {
        report('usage spilled', fault);
        await spill(event);
      }
    },
  };
}
