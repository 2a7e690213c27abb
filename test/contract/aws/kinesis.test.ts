import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  ListShardsCommand,
  PutRecordCommand,
  PutRecordsCommand,
  type ShardIteratorType,
} from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientsOf, type Endpoint, openEndpoint, uniqueName } from './endpoint.ts';

let endpoint: Endpoint;
let clients: ReturnType<typeof clientsOf>;

beforeAll(async () => {
  endpoint = await openEndpoint();
  clients = clientsOf(endpoint.url);
});
afterAll(async () => {
  clients.destroy();
  await endpoint.close();
});

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

async function newStream(): Promise<string> {
  const StreamName = uniqueName('stream');
  await clients.kinesis.send(new CreateStreamCommand({ StreamName, ShardCount: 1 }));
  for (let status = ''; status !== 'ACTIVE'; ) {
    const summary = await clients.kinesis.send(new DescribeStreamSummaryCommand({ StreamName }));
    status = summary.StreamDescriptionSummary?.StreamStatus ?? '';
  }
  return StreamName;
}

async function read(
  StreamName: string,
  start: { type: ShardIteratorType; sequence?: string; timestamp?: Date },
): Promise<string[]> {
  const { Shards } = await clients.kinesis.send(new ListShardsCommand({ StreamName }));
  const { ShardIterator } = await clients.kinesis.send(
    new GetShardIteratorCommand({
      StreamName,
      ShardId: Shards?.[0]?.ShardId,
      ShardIteratorType: start.type,
      StartingSequenceNumber: start.sequence,
      Timestamp: start.timestamp,
    }),
  );
  const { Records } = await clients.kinesis.send(new GetRecordsCommand({ ShardIterator }));
  return (Records ?? []).map(({ Data }) => new TextDecoder().decode(Data));
}

describe('Kinesis', () => {
  it('gives records back in order, with their bytes unchanged', async () => {
    const StreamName = await newStream();
    await clients.kinesis.send(
      new PutRecordsCommand({
        StreamName,
        Records: ['a', 'ü\n"', ''].map((value) => ({ Data: text(value), PartitionKey: 'k' })),
      }),
    );
    await clients.kinesis.send(
      new PutRecordCommand({ StreamName, Data: text('last'), PartitionKey: 'k' }),
    );
    expect(await read(StreamName, { type: 'TRIM_HORIZON' })).toEqual(['a', 'ü\n"', '', 'last']);
  });

  it('starts an iterator at, after, or at the time of a record', async () => {
    const StreamName = await newStream();
    const put = async (value: string): Promise<string | undefined> =>
      (
        await clients.kinesis.send(
          new PutRecordCommand({ StreamName, Data: text(value), PartitionKey: 'k' }),
        )
      ).SequenceNumber;
    await put('one');
    await new Promise((resolve) => setTimeout(resolve, 20));
    const timestamp = new Date();
    const sequence = (await put('two')) ?? '';
    await put('three');
    expect(await read(StreamName, { type: 'AT_SEQUENCE_NUMBER', sequence })).toEqual([
      'two',
      'three',
    ]);
    expect(await read(StreamName, { type: 'AFTER_SEQUENCE_NUMBER', sequence })).toEqual(['three']);
    expect(await read(StreamName, { type: 'AT_TIMESTAMP', timestamp })).toEqual(['two', 'three']);
    expect(await read(StreamName, { type: 'LATEST' })).toEqual([]);
  });

  it('refuses 501 records, a record above 1 MB, and a stream that is not there, by type', async () => {
    const StreamName = await newStream();
    const entry = { Data: text('x'), PartitionKey: 'k' };
    const put = (Records: { Data: Uint8Array; PartitionKey: string }[], name = StreamName) =>
      clients.kinesis.send(new PutRecordsCommand({ StreamName: name, Records }));
    await expect(put(Array(501).fill(entry))).rejects.toMatchObject({
      name: expect.stringMatching(/ValidationException|InvalidArgumentException/),
    });
    await expect(put([entry], 'nowhere')).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
    if (endpoint.local === undefined) return;
    await expect(put([{ ...entry, Data: new Uint8Array(1_048_577) }])).rejects.toMatchObject({
      name: 'InvalidArgumentException',
    });
  });

  // Faults on demand are the local server's own.
  it.skipIf(process.env['CONTRACT_ENDPOINT'] !== undefined)(
    'fails a call whole or in part when told to',
    async () => {
      const StreamName = await newStream();
      const Records = ['0', '1', '2'].map((value) => ({ Data: text(value), PartitionKey: 'k' }));
      endpoint.local?.injectFaults(({ operation }) =>
        operation === 'PutRecords' ? 'partial' : 'throttle',
      );
      const put = new PutRecordsCommand({ StreamName, Records });
      const { FailedRecordCount, Records: results } = await clients.kinesis.send(put);
      await expect(
        clients.kinesis.send(new ListShardsCommand({ StreamName })),
      ).rejects.toMatchObject({ name: 'ProvisionedThroughputExceededException' });
      endpoint.local?.injectFaults(undefined);
      expect(FailedRecordCount).toBe(1);
      expect(results?.map(({ ErrorCode }) => ErrorCode)).toEqual([
        undefined,
        'ProvisionedThroughputExceededException',
        undefined,
      ]);
      expect(await read(StreamName, { type: 'TRIM_HORIZON' })).toEqual(['0', '2']);
    },
  );
});
