/**
 * Usage events to Kinesis, and to an SQS queue when Kinesis refuses or does not answer: an event is either
 * durable in one of the two or the call's books stay open. The partition key is the request id: a tenant's would
 * make hot shards, and order does not matter because events carry absolute values. Both clients are loaded
 * on first use, which is after the last byte has left.
 */
import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { SQSClient } from '@aws-sdk/client-sqs';
import type { Report } from '../../core/report.ts';
import type { UsageSink } from '../../core/serve.ts';
import type { UsageEvent } from '../../core/usage/event.ts';

export interface UsageStreamOptions {
  readonly streamName: string;
  readonly spillQueueUrl: string;
  readonly report: Report;
}

const ATTEMPTS = 3;
/** Of one attempt; a put that was taken without an answer is a copy more, which the ledger knows how to pass over. */
const REQUEST_MS = 2_000;

export function createUsageStream({
  streamName,
  spillQueueUrl,
  report,
}: UsageStreamOptions): UsageSink {
  let kinesis: KinesisClient | undefined;
  let sqs: SQSClient | undefined;

  async function putToStream(event: UsageEvent): Promise<void> {
    const { KinesisClient, PutRecordCommand } = await import('@aws-sdk/client-kinesis');
    kinesis ??= new KinesisClient({
      maxAttempts: ATTEMPTS,
      requestHandler: { requestTimeout: REQUEST_MS },
    });
    await kinesis.send(
      new PutRecordCommand({
        StreamName: streamName,
        PartitionKey: event.request_id,
        // JSON lines: Firehose concatenates records, and the line feed is what keeps them apart.
        Data: Buffer.from(`${JSON.stringify(event)}\n`),
      }),
    );
  }

  async function spill(event: UsageEvent): Promise<void> {
    const { SQSClient, SendMessageCommand } = await import('@aws-sdk/client-sqs');
    sqs ??= new SQSClient({
      maxAttempts: ATTEMPTS,
      requestHandler: { requestTimeout: REQUEST_MS, throwOnRequestTimeout: true },
    });
    await sqs.send(
      new SendMessageCommand({ QueueUrl: spillQueueUrl, MessageBody: JSON.stringify(event) }),
    );
  }

  return usageSink({ putToStream, spill, report });
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
