import {
  type AthenaClient,
  GetQueryExecutionCommand,
  GetQueryResultsCommand,
  StartQueryExecutionCommand,
} from '@aws-sdk/client-athena';
import { type KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import type { LocalAws } from '../../../local/aws/local-aws.ts';
import type { HiveColumn } from '../../../local/aws/resources.ts';

const STREAM = 'usage-stream';
const BUCKET = 'lake';
const WORK_GROUP = 'finance';
export const NAMED_QUERY = 'tokens-by-team';

export const COLUMNS: readonly HiveColumn[] = [
  { name: 'request_id', type: 'string' },
  { name: 'team_id', type: 'string' },
  { name: 'tokens', type: 'bigint' },
  { name: 'stream', type: 'boolean' },
];

/** A stream that Firehose writes to a table of Parquet files, as the data stack has it. */
export function deployLake(aws: LocalAws, columns: readonly HiveColumn[] = COLUMNS): void {
  const hive = (name: string): HiveColumn => ({ name, type: 'string' });
  aws.createBucket(BUCKET);
  aws.createBucket('results');
  aws.createStream(STREAM);
  aws.createDeliveryStream({
    name: 'usage-delivery',
    sourceStream: STREAM,
    bucket: BUCKET,
    prefix: 'usage/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/',
    errorPrefix: 'errors/!{firehose:error-output-type}/dt=!{timestamp:yyyy-MM-dd}/',
    columns,
    bufferSeconds: 60,
    bufferBytes: 67_108_864,
  });
  aws.createTable({
    database: 'tollgate',
    table: 'usage',
    bucket: BUCKET,
    prefix: 'usage/',
    columns,
    partitionKeys: [hive('dt'), hive('hour')],
  });
  aws.createWorkGroup({
    name: WORK_GROUP,
    resultsBucket: 'results',
    resultsPrefix: 'athena/',
    bytesScannedCutoff: 10_000_000,
  });
  aws.createNamedQuery({
    name: NAMED_QUERY,
    database: 'tollgate',
    workGroup: WORK_GROUP,
    sql: 'SELECT team_id, sum(tokens) AS tokens FROM usage GROUP BY 1 ORDER BY 1',
  });
}

export async function putJson(kinesis: KinesisClient, events: readonly unknown[]): Promise<void> {
  for (let at = 0; at < events.length; at += 500) {
    const Records = events.slice(at, at + 500).map((event, index) => ({
      Data: new TextEncoder().encode(typeof event === 'string' ? event : JSON.stringify(event)),
      PartitionKey: String(index),
    }));
    await kinesis.send(new PutRecordsCommand({ StreamName: STREAM, Records }));
  }
}

export interface QueryAnswer {
  readonly state: string | undefined;
  readonly reason: string | undefined;
  readonly types: readonly (string | undefined)[];
  /** The header is the first row. */
  readonly rows: readonly (readonly (string | undefined)[])[];
}

export async function query(
  athena: AthenaClient,
  sql: string,
  parameters?: string[],
): Promise<QueryAnswer> {
  const { QueryExecutionId } = await athena.send(
    new StartQueryExecutionCommand({
      QueryString: sql,
      WorkGroup: WORK_GROUP,
      QueryExecutionContext: { Database: 'tollgate' },
      ExecutionParameters: parameters,
    }),
  );
  for (;;) {
    const { QueryExecution } = await athena.send(
      new GetQueryExecutionCommand({ QueryExecutionId }),
    );
    const { State: state, StateChangeReason: reason } = QueryExecution?.Status ?? {};
    if (state === 'RUNNING' || state === 'QUEUED') {
      await new Promise((resolve) => setTimeout(resolve, 10));
      continue;
    }
    if (state !== 'SUCCEEDED') return { state, reason, types: [], rows: [] };
    return { state, reason, ...(await results(athena, QueryExecutionId)) };
  }
}

async function results(
  athena: AthenaClient,
  QueryExecutionId: string | undefined,
): Promise<Pick<QueryAnswer, 'types' | 'rows'>> {
  const rows: (string | undefined)[][] = [];
  let types: (string | undefined)[] = [];
  for (let NextToken: string | undefined, isFirst = true; isFirst || NextToken !== undefined; ) {
    const page = await athena.send(
      new GetQueryResultsCommand({ QueryExecutionId, NextToken, MaxResults: 100 }),
    );
    for (const { Data } of page.ResultSet?.Rows ?? []) {
      rows.push((Data ?? []).map(({ VarCharValue }) => VarCharValue));
    }
    types = (page.ResultSet?.ResultSetMetadata?.ColumnInfo ?? []).map(({ Type }) => Type);
    NextToken = page.NextToken;
    isFirst = false;
  }
  return { types, rows };
}
