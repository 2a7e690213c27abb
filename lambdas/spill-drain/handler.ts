/** Drains usage events that Kinesis refused back into the stream, as they were. */
import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import middy from '@middy/core';
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { readEnvironment } from '../adapters/environment.ts';
import { createTelemetry } from '../adapters/telemetry.ts';
import { type DrainPorts, drain } from './drain.ts';

const REQUEST_MS = 5_000;

const telemetry = createTelemetry('spill-drain');
const { usageStream } = readEnvironment(['usageStream']);
const kinesis = new KinesisClient({
  maxAttempts: 3,
  requestHandler: { requestTimeout: REQUEST_MS },
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
};

/** What stays moves to the dead letters after its last attempt, with an alarm. */
export const handler = middy<SQSEvent>().handler(async ({ Records }): Promise<SQSBatchResponse> => {
  const staying = await drain(ports, Records);
  telemetry.flush();
  return { batchItemFailures: staying.map((itemIdentifier) => ({ itemIdentifier })) };
});
