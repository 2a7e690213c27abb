/** SQL in Athena: starts a query in the workgroup, waits for its end, gives its rows. */
import {
  type AthenaClient,
  GetQueryExecutionCommand,
  GetQueryResultsCommand,
  StartQueryExecutionCommand,
} from '@aws-sdk/client-athena';
import type { Clock, EpochMs } from '../../core/clock.ts';
import type { Pause } from '../../core/limits/patient-store.ts';
import { LAKE } from '../../core/names.ts';

export interface Athena {
  /**
   * Rows as text, without the header; undefined is null. Throws an Error with Athena's reason when the query fails,
   * or when it has not ended at the deadline: then it goes on without us.
   */
  run(sql: string, deadlineMs: EpochMs): Promise<readonly AthenaRow[]>;
}

export type AthenaRow = readonly (string | undefined)[];

export interface AthenaOptions {
  readonly client: AthenaClient;
  readonly workGroup: string;
  readonly clock: Clock;
  readonly pause: Pause;
}

const FIRST_LOOK_MS = 50;
const LONGEST_LOOK_MS = 2_000;

export function createAthena({ client, workGroup, clock, pause }: AthenaOptions): Athena {
  async function isDone(id: string): Promise<boolean> {
    const { QueryExecution } = await client.send(
      new GetQueryExecutionCommand({ QueryExecutionId: id }),
    );
    const { State, StateChangeReason } = QueryExecution?.Status ?? {};
    if (State === 'FAILED' || State === 'CANCELLED')
      throw new Error(`Athena query ${id} ${State}: ${StateChangeReason ?? 'no reason'}`);
    return State === 'SUCCEEDED';
  }
  return {
    async run(sql, deadlineMs) {
      const { QueryExecutionId: id = '' } = await client.send(
        new StartQueryExecutionCommand({
          QueryString: sql,
          WorkGroup: workGroup,
          QueryExecutionContext: { Database: LAKE.database },
        }),
      );
      for (let waitMs = FIRST_LOOK_MS; !(await isDone(id)); waitMs *= 2) {
        if (clock.nowMs() >= deadlineMs)
          throw new Error(`Athena query ${id} has not ended in time`);
        await pause(Math.min(waitMs, LONGEST_LOOK_MS));
      }
      return rowsOf(client, id);
    },
  };
}

/** A SELECT's first row is its header; other statements have none. */
async function rowsOf(client: AthenaClient, id: string): Promise<readonly AthenaRow[]> {
  const rows: AthenaRow[] = [];
  let names: readonly (string | undefined)[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(
      new GetQueryResultsCommand({ QueryExecutionId: id, NextToken: token }),
    );
    for (const { Data = [] } of page.ResultSet?.Rows ?? [])
      rows.push(Data.map(({ VarCharValue }) => VarCharValue));
    names = page.ResultSet?.ResultSetMetadata?.ColumnInfo?.map(({ Name }) => Name) ?? names;
    token = page.NextToken;
  } while (token !== undefined);
  const hasHeader = names.length > 0 && names.every((name, index) => rows[0]?.[index] === name);
  return hasHeader ? rows.slice(1) : rows;
}
