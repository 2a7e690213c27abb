/** `npm run athena -- <named query>`: asks the running instance one of finance's questions and prints the answer. */
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  AthenaClient,
  BatchGetNamedQueryCommand,
  GetQueryExecutionCommand,
  GetQueryResultsCommand,
  ListNamedQueriesCommand,
  type NamedQuery,
  StartQueryExecutionCommand,
} from '@aws-sdk/client-athena';
import { type InstanceState, readState } from './instance-state.ts';

const POLL_MS = 50;
const QUERY_TIMEOUT_MS = 60_000;

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
});

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      data: { type: 'string', default: '.tollgate' },
      json: { type: 'boolean', default: false },
    },
  });
  const dataDir = resolve(values.data);
  const state = readState(dataDir);
  if (state === undefined) throw new Error(`Nothing runs on ${dataDir}. Start it with: npm start`);
  const client = new AthenaClient({
    endpoint: state.awsUrl,
    region: state.region,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  try {
    const queries = await namedQueries(client, state);
    const query = queries.find(({ Name }) => Name === positionals[0]);
    if (positionals[0] === undefined) process.stdout.write(listing(queries));
    else if (query === undefined)
      throw new Error(`There is no query "${positionals[0]}".\n${listing(queries)}`);
    else {
      await bookWhatArrived(state);
      await answer({ client, state, query, asJson: values.json });
    }
    return 0;
  } finally {
    client.destroy();
  }
}

/** A person asks about what was recorded until now, and the ledger's writer comes only every quarter of an hour. */
async function bookWhatArrived({ awsUrl }: InstanceState): Promise<void> {
  const url = `${awsUrl}/2015-03-31/functions/ledger-writer/invocations`;
  const response = await fetch(url, { method: 'POST', body: '{"reach":"recent"}' });
  if (response.headers.has('x-amz-function-error'))
    throw new Error(`The ledger is not up to date: ${await response.text()}`);
}

async function namedQueries(
  client: AthenaClient,
  { workGroup }: InstanceState,
): Promise<NamedQuery[]> {
  const { NamedQueryIds = [] } = await client.send(
    new ListNamedQueriesCommand({ WorkGroup: workGroup }),
  );
  if (NamedQueryIds.length === 0) return [];
  const { NamedQueries = [] } = await client.send(new BatchGetNamedQueryCommand({ NamedQueryIds }));
  return NamedQueries.toSorted((a, b) => (a.Name ?? '').localeCompare(b.Name ?? ''));
}

function listing(queries: readonly NamedQuery[]): string {
  return queries
    .map(({ Name, Description }) => `${Name?.padEnd(24)} ${Description ?? ''}\n`)
    .join('');
}

interface Question {
  readonly client: AthenaClient;
  readonly state: InstanceState;
  readonly query: NamedQuery;
  readonly asJson: boolean;
}

async function answer({ client, state, query, asJson }: Question): Promise<void> {
  const { QueryExecutionId } = await client.send(
    new StartQueryExecutionCommand({
      QueryString: query.QueryString,
      QueryExecutionContext: { Database: query.Database },
      WorkGroup: state.workGroup,
    }),
  );
  await finished(client, QueryExecutionId);
  const [header = [], ...rows] = await allRows(client, QueryExecutionId);
  process.stdout.write(
    asJson ? `${JSON.stringify(rows.map((row) => asRecord(header, row)))}\n` : table(header, rows),
  );
}

async function finished(client: AthenaClient, id: string | undefined): Promise<void> {
  const deadlineMs = Date.now() + QUERY_TIMEOUT_MS;
  while (Date.now() < deadlineMs) {
    const { QueryExecution } = await client.send(
      new GetQueryExecutionCommand({ QueryExecutionId: id }),
    );
    const { State, StateChangeReason } = QueryExecution?.Status ?? {};
    if (State === 'SUCCEEDED') return;
    if (State === 'FAILED' || State === 'CANCELLED')
      throw new Error(`The query ${State}: ${StateChangeReason ?? ''}`);
    await sleep(POLL_MS);
  }
  throw new Error('The query takes too long.');
}

type Row = readonly (string | undefined)[];

async function allRows(client: AthenaClient, id: string | undefined): Promise<Row[]> {
  const rows: Row[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(
      new GetQueryResultsCommand({ QueryExecutionId: id, NextToken: token }),
    );
    rows.push(
      ...(page.ResultSet?.Rows ?? []).map(({ Data = [] }) =>
        Data.map((datum) => datum.VarCharValue),
      ),
    );
    token = page.NextToken;
  } while (token !== undefined);
  return rows;
}

/** Null where Athena has no value. Numbers stay text: they may be larger than a JavaScript number holds. */
function asRecord(header: Row, row: Row): Record<string, string | null> {
  return Object.fromEntries(header.map((name, index) => [name ?? '', row[index] ?? null]));
}

function table(header: Row, rows: readonly Row[]): string {
  const widths = header.map((name, index) =>
    [name, ...rows.map((row) => row[index])].reduce(
      (width, cell) => Math.max(width, (cell ?? '').length),
      0,
    ),
  );
  const isNumeric = header.map((_, index) =>
    rows.every((row) => /^-?[\d.]*$/.test(row[index] ?? '')),
  );
  const line = (row: Row): string =>
    widths
      .map((width, index) =>
        isNumeric[index] ? (row[index] ?? '').padStart(width) : (row[index] ?? '').padEnd(width),
      )
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width));
  return `${[line(header), line(rule), ...rows.map(line)].join('\n')}\n`;
}
