import type { KinesisStreamRecord } from 'aws-lambda';

/** A record of the first shard, as Lambda hands it to a consumer. */
export function kinesisRecord(
  sequence: number,
  { data, arrivedSeconds }: { readonly data: string; readonly arrivedSeconds: number },
): KinesisStreamRecord {
  const sequenceNumber = String(sequence);
  return {
    eventID: `shardId-000000000000:${sequenceNumber}`,
    eventName: 'aws:kinesis:record',
    eventVersion: '1.0',
    eventSource: 'aws:kinesis',
    eventSourceARN: 'arn',
    awsRegion: 'us-east-1',
    invokeIdentityArn: 'arn',
    kinesis: {
      kinesisSchemaVersion: '1.0',
      partitionKey: 'k',
      sequenceNumber,
      approximateArrivalTimestamp: arrivedSeconds,
      data: Buffer.from(data).toString('base64'),
    },
  };
}
