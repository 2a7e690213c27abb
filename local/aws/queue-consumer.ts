import type { SQSEvent, SQSMessageAttribute, SQSRecord } from 'aws-lambda';
import type { Clock } from '../../core/clock.ts';
import type { QueueConsumerSpec, QueueHandler } from './resources.ts';
import { md5, receiptHandle, systemAttributes } from './sqs.ts';
import type { Message, MessageAttribute, Queue } from './sqs-queue.ts';
import { startLoop } from './work-loop.ts';

const POLL_SECONDS = 20;

/**
 * Reads a queue for a function as Lambda's event source mapping does: what the function did is removed,
 * the rest comes back after the visibility timeout. Gives the function that ends it.
 */
export function startQueueConsumer(options: {
  queue: Queue;
  queueArn: string;
  spec: QueueConsumerSpec;
  handler: QueueHandler;
  clock: Clock;
  log: (line: string) => void;
}): () => Promise<void> {
  const { queue, queueArn, spec, handler, clock } = options;
  async function nextBatch(signal: AbortSignal): Promise<readonly Message[]> {
    const batch = [
      ...(await queue.receive({ max: spec.batchSize, waitSeconds: POLL_SECONDS, signal })),
    ];
    const untilMs = clock.nowMs() + (spec.maxBatchingWindowSeconds ?? 0) * 1000;
    while (batch.length > 0 && batch.length < spec.batchSize && !signal.aborted) {
      const waitSeconds = (untilMs - clock.nowMs()) / 1000;
      if (waitSeconds <= 0) break;
      batch.push(
        ...(await queue.receive({ max: spec.batchSize - batch.length, waitSeconds, signal })),
      );
    }
    return batch;
  }
  async function step(signal: AbortSignal): Promise<void> {
    const batch = await nextBatch(signal);
    if (batch.length === 0) return;
    const response = await handler(lambdaEvent(batch, queueArn));
    const failures = spec.reportBatchItemFailures === true ? response?.batchItemFailures : [];
    const failed = new Set(failures?.map(({ itemIdentifier }) => itemIdentifier));
    queue.remove(batch.map(({ id }) => id).filter((id) => !failed.has(id)));
  }

  // A rejection leaves the batch in flight: the loop logs it, and the messages come back.
  return startLoop({ name: spec.name, step, log: options.log });
}

function lambdaEvent(batch: readonly Message[], queueArn: string): SQSEvent {
  return {
    Records: batch.map(
      (message): SQSRecord => ({
        messageId: message.id,
        receiptHandle: receiptHandle(message),
        body: message.body,
        attributes: systemAttributes(message),
        messageAttributes: Object.fromEntries(
          Object.entries(message.attributes).map(([name, value]) => [name, lambdaAttribute(value)]),
        ),
        md5OfBody: md5(message.body),
        eventSource: 'aws:sqs',
        eventSourceARN: queueArn,
        awsRegion: queueArn.split(':')[3] ?? '',
      }),
    ),
  };
}

function lambdaAttribute({
  DataType,
  StringValue,
  BinaryValue,
}: MessageAttribute): SQSMessageAttribute {
  return {
    dataType: DataType,
    ...(StringValue === undefined ? {} : { stringValue: StringValue }),
    ...(BinaryValue === undefined ? {} : { binaryValue: BinaryValue }),
  };
}
