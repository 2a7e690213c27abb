/** Drains usage events that Kinesis refused back into the stream, as they were. */
import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import middy from '@middy/core';
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { usageEventSchema } from '../../core/usage/event.ts';
import { readEnvironment } from '../adapters/environment.ts';
import { createTelemetry } from '../adapters/telemetry.ts';
import { encodeUsageEvent } from '../adapters/usage-stream.ts';

const telemetry = createTelemetry('spill-drain');
const { usageStream } = readEnvironment(['usageStream']);
const kinesis = new KinesisClient({ maxAttempts: 3 });

export const handler = middy<SQSEvent>().handler(async ({ Records }): Promise<SQSBatchResponse> => {
  const readable = Records.flatMap(({ messageId, body }) => {
    const data = encodeBody(body);
    return data === undefined ? [] : [{ messageId, ...data }];
  });
  const failed = new Set(Records.map(({ messageId }) => messageId));
  if (readable.length > 0) {
    const result = await kinesis.send(
      new PutRecordsCommand({
        StreamName: usageStream,
        Records: readable.map(({ PartitionKey, Data }) => ({ PartitionKey, Data })),
      }),
    );
    readable.forEach(({ messageId }, index) => {
      if (result.Records?.[index]?.ErrorCode === undefined) failed.delete(messageId);
    });
  }
  telemetry.flush();
  // What failed stays in the queue, and after its last attempt in the dead-letter queue, with an alarm.
  return { batchItemFailures: [...failed].map((itemIdentifier) => ({ itemIdentifier })) };
});

function encodeBody(body: string): { PartitionKey: string; Data: Buffer } | undefined {
  try {
    const event = usageEventSchema.parse(JSON.parse(body));
    return { PartitionKey: event.request_id, Data: encodeUsageEvent(event) };
  } catch (fault) {
    telemetry.report('record not readable', fault);
    return undefined;
  }
}
