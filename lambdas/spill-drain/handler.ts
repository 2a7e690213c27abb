/** Drains usage events that Kinesis refused back into the stream, as they were. */
import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import middy from '@middy/core';
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { readEnvironment } from '../adapters/environment.ts';
import { createTelemetry } from '../adapters/telemetry.ts';
import { type DrainPorts, drain } from './drain.ts';

/** SQS takes no more in a batch. */
const ASIDE_AT_A_TIME = 10;
const REQUEST_MS = 5_000;

const telemetry = createTelemetry('spill-drain');
const { usageStream, spillDeadLettersUrl } = readEnvironment([
  'usageStream',
  'spillDeadLettersUrl',
]);
const kinesis = new KinesisClient({
  maxAttempts: 3,
  requestHandler: { requestTimeout: REQUEST_MS },
});
const sqs = new SQSClient({
  maxAttempts: 3,
  requestHandler: { requestTimeout: REQUEST_MS, throwOnRequestTimeout: true },
});

const ports: DrainPorts = {
  report: telemetry.report,
  async putRecords(records) {
    const { Records = [] } = await kinesis.send(
      new PutRecordsCommand({
        StreamName: usageStream,
        Records: records.map(({ partitionKey, data }) => ({
          PartitionKey: partitionKey,
          Data: Buffer.from(data),
        })),
      }),
    );
    return records.map((_, index) => Records[index]?.SequenceNumber !== undefined);
  },
  async setAside(bodies) {
    for (let at = 0; at < bodies.length; at += ASIDE_AT_A_TIME) {
      const Entries = bodies
        .slice(at, at + ASIDE_AT_A_TIME)
        .map((MessageBody, index) => ({ Id: String(index), MessageBody }));
      const { Failed = [] } = await sqs.send(
        new SendMessageBatchCommand({ QueueUrl: spillDeadLettersUrl, Entries }),
      );
      if (Failed.length > 0) throw new Error(`${Failed.length} messages not set aside`);
    }
  },
};

/** What stays moves to the dead letters after its last attempt, with an alarm. */
export const handler = middy<SQSEvent>().handler(async ({ Records }): Promise<SQSBatchResponse> => {
  const staying = await drain(ports, Records);
  telemetry.flush();
  return { batchItemFailures: staying.map((itemIdentifier) => ({ itemIdentifier })) };
});
