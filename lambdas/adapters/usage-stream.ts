/**
 * Usage events to Kinesis, and to an SQS queue when Kinesis refuses or does not answer: an event is either
 * durable in one of the two or the call's books stay open. The partition key is the request id: a tenant's would
 * make hot shards, and order does not matter because events carry absolute values.
 */
import type { Report } from '../../core/report.ts';
import type { UsageSink } from '../../core/serve.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import type { Aws } from './aws-client.ts';

export interface UsageStreamOptions {
  readonly aws: Aws;
  readonly streamName: string;
  readonly spillQueueUrl: string;
  readonly report: Report;
}

/** A put that was taken without an answer is a copy more, which the ledger knows how to pass over. */
const PATIENCE = { attempts: 3, attemptMs: 2_000 };

export function createUsageStream({
  aws,
  streamName,
  spillQueueUrl,
  report,
}: UsageStreamOptions): UsageSink {
  const kinesis = aws.client('kinesis', PATIENCE);
  const sqs = aws.client('sqs', PATIENCE);
  return usageSink({
    report,
    async putToStream(event) {
      await kinesis.call('PutRecord', {
        StreamName: streamName,
        PartitionKey: event.request_id,
        // JSON lines: Firehose concatenates records, and the line feed is what keeps them apart.
        Data: Buffer.from(`${JSON.stringify(event)}\n`).toString('base64'),
      });
    },
    async spill(event) {
      const MessageBody = JSON.stringify(event);
      await sqs.call('SendMessage', { QueueUrl: spillQueueUrl, MessageBody });
    },
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
