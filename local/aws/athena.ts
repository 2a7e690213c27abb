import { createHash, randomUUID } from 'node:crypto';
import * as z from 'zod';
import type { Clock, EpochMs } from '../../core/clock.ts';
import { type AthenaEngine, type EngineResult, ScanLimitExceeded } from './athena-engine.ts';
import { type JsonService, type Operation, operation } from './json-service.ts';
import type { NamedQuerySpec, WorkGroupSpec } from './resources.ts';
import { AwsError } from './wire.ts';

export interface Athena {
  readonly service: JsonService;
  createWorkGroup(spec: WorkGroupSpec): void;
  createNamedQuery(spec: NamedQuerySpec): void;
}

interface Dependencies {
  readonly engine: AthenaEngine;
  readonly clock: Clock;
  /** Firehose delivers, so that a query sees what was recorded before it. */
  readonly flush: () => Promise<void>;
  readonly putObject: (bucket: string, key: string, data: string) => void;
}

interface Execution {
  readonly id: string;
  readonly token: string | undefined;
  readonly sql: string;
  readonly database: string | undefined;
  readonly workGroup: WorkGroupSpec;
  readonly submittedAtMs: EpochMs;
  outcome: Outcome;
}

type Outcome =
  | { readonly kind: 'running' }
  | { readonly kind: 'succeeded'; readonly result: EngineResult; readonly completedAtMs: EpochMs }
  | {
      readonly kind: 'failed' | 'cancelled';
      readonly reason: string;
      readonly completedAtMs: EpochMs;
    };

const STATE = {
  running: 'RUNNING',
  succeeded: 'SUCCEEDED',
  failed: 'FAILED',
  cancelled: 'CANCELLED',
} as const satisfies Record<Outcome['kind'], string>;

/** Results are kept in memory for this many executions, the newest ones. */
const MAX_EXECUTIONS = 100;
const MAX_RESULTS = 1_000;

export function createAthena(dependencies: Dependencies): Athena {
  const workGroups = new Map<string, WorkGroupSpec>();
  const namedQueries = new Map<string, NamedQuerySpec>();
  return {
    service: {
      name: 'athena',
      target: 'AmazonAthena',
      throttleCode: 'TooManyRequestsException',
      operations: {
        ...executionOperations(dependencies, workGroups),
        ...namedQueryOperations(namedQueries),
      },
    },
    createWorkGroup(spec) {
      workGroups.set(spec.name, spec);
    },
    createNamedQuery(spec) {
      const digest = createHash('sha256').update(`${spec.workGroup}/${spec.name}`).digest('hex');
      namedQueries.set(digest.slice(0, 32), spec);
    },
  };
}

const startSchema = z.object({
  QueryString: z.string().min(1).max(262_144),
  ClientRequestToken: z.optional(z.string()),
  QueryExecutionContext: z.optional(z.object({ Database: z.optional(z.string()) })),
  WorkGroup: z.string().default('primary'),
  ExecutionParameters: z.array(z.string()).default([]),
});

function executionOperations(
  dependencies: Dependencies,
  workGroups: ReadonlyMap<string, WorkGroupSpec>,
): Record<string, Operation> {
  const executions = new Map<string, Execution>();
  function find(id: string): Execution {
    const found = executions.get(id);
    if (found !== undefined) return found;
    throw invalidRequest(`QueryExecution ${id} was not found`);
  }
  function start(input: z.infer<typeof startSchema>): Execution {
    const token = input.ClientRequestToken;
    const repeated = [...executions.values()].find(
      (one) => token !== undefined && one.token === token,
    );
    if (repeated !== undefined) return repeated;
    const workGroup = workGroups.get(input.WorkGroup);
    if (workGroup === undefined) throw invalidRequest(`WorkGroup ${input.WorkGroup} is not found.`);
    const execution: Execution = {
      id: randomUUID(),
      token,
      sql: input.QueryString,
      database: input.QueryExecutionContext?.Database,
      workGroup,
      submittedAtMs: dependencies.clock.nowMs(),
      outcome: { kind: 'running' },
    };
    executions.set(execution.id, execution);
    const [oldest] = executions.keys();
    if (executions.size > MAX_EXECUTIONS && oldest !== undefined) executions.delete(oldest);
    return execution;
  }
  return {
    StartQueryExecution: operation(startSchema, (input) => {
      const execution = start(input);
      void execute(dependencies, execution, input.ExecutionParameters).then((outcome) => {
        execution.outcome = outcome;
      });
      return { QueryExecutionId: execution.id };
    }),
    GetQueryExecution: operation(byExecutionId, ({ QueryExecutionId }) => ({
      QueryExecution: describeExecution(find(QueryExecutionId)),
    })),
    GetQueryResults: operation(
      byExecutionId.extend({
        NextToken: z.optional(z.string()),
        MaxResults: z.number().int().min(1).max(MAX_RESULTS).default(MAX_RESULTS),
      }),
      ({ QueryExecutionId, NextToken, MaxResults }) => {
        const { outcome } = find(QueryExecutionId);
        if (outcome.kind !== 'succeeded') {
          throw invalidRequest(`Query has not yet finished. Current state: ${STATE[outcome.kind]}`);
        }
        return pageOf(outcome.result, Number(NextToken ?? 0), MaxResults);
      },
    ),
  };
}

const byExecutionId = z.object({ QueryExecutionId: z.string() });

/** Never rejects: what goes wrong is the query's outcome. */
async function execute(
  { engine, clock, flush, putObject }: Dependencies,
  { id, sql, database, workGroup }: Execution,
  parameters: readonly string[],
): Promise<Outcome> {
  try {
    await flush();
    const { bytesScannedCutoff, resultsBucket } = workGroup;
    const result = await engine.run({ sql, database, parameters, bytesScannedCutoff });
    putObject(resultsBucket, resultKey(workGroup, id), csvOf(result));
    return { kind: 'succeeded', result, completedAtMs: clock.nowMs() };
  } catch (error) {
    const kind = error instanceof ScanLimitExceeded ? 'cancelled' : 'failed';
    const reason = error instanceof Error ? error.message : String(error);
    return { kind, reason, completedAtMs: clock.nowMs() };
  }
}

function resultKey(workGroup: WorkGroupSpec, id: string): string {
  return `${workGroup.resultsPrefix}${id}.csv`;
}

function csvOf({ columns, rows }: EngineResult): string {
  const line = (cells: readonly (string | undefined)[]): string =>
    cells.map((cell) => (cell === undefined ? '' : `"${cell.replaceAll('"', '""')}"`)).join(',');
  return `${[columns.map(({ name }) => name), ...rows].map(line).join('\n')}\n`;
}

function describeExecution(execution: Execution): unknown {
  const { id, sql, database, workGroup, submittedAtMs, outcome } = execution;
  const isDone = outcome.kind !== 'running';
  return {
    QueryExecutionId: id,
    Query: sql,
    StatementType: 'DML',
    QueryExecutionContext: { Database: database, Catalog: 'awsdatacatalog' },
    WorkGroup: workGroup.name,
    ResultConfiguration: {
      OutputLocation: `s3://${workGroup.resultsBucket}/${resultKey(workGroup, id)}`,
    },
    Status: {
      State: STATE[outcome.kind],
      ...('reason' in outcome ? { StateChangeReason: outcome.reason } : {}),
      SubmissionDateTime: submittedAtMs / 1000,
      ...(isDone ? { CompletionDateTime: outcome.completedAtMs / 1000 } : {}),
    },
    Statistics: {
      ...(isDone ? { TotalExecutionTimeInMillis: outcome.completedAtMs - submittedAtMs } : {}),
      ...(outcome.kind === 'succeeded' ? { DataScannedInBytes: outcome.result.bytesScanned } : {}),
    },
  };
}

/** The first row of the first page is the header, as Athena gives it. */
function pageOf({ columns, rows }: EngineResult, offset: number, maxResults: number): unknown {
  const all = [columns.map(({ name }) => name), ...rows];
  const end = offset + maxResults;
  return {
    ResultSet: {
      Rows: all.slice(offset, end).map((row) => ({
        Data: row.map((cell) => (cell === undefined ? {} : { VarCharValue: cell })),
      })),
      ResultSetMetadata: { ColumnInfo: columns.map(columnInfo) },
    },
    ...(end < all.length ? { NextToken: String(end) } : {}),
  };
}

function columnInfo({ name, type, precision, scale }: EngineResult['columns'][number]): unknown {
  return {
    CatalogName: 'hive',
    SchemaName: '',
    TableName: '',
    Name: name,
    Label: name,
    Type: type,
    Precision: precision,
    Scale: scale,
    Nullable: 'UNKNOWN',
    CaseSensitive: type === 'varchar',
  };
}

function namedQueryOperations(
  queries: ReadonlyMap<string, NamedQuerySpec>,
): Record<string, Operation> {
  const describe = (id: string): unknown => {
    const query = queries.get(id);
    if (query === undefined) throw invalidRequest(`NamedQuery ${id} was not found`);
    return {
      NamedQueryId: id,
      Name: query.name,
      Description: query.description,
      Database: query.database,
      QueryString: query.sql,
      WorkGroup: query.workGroup,
    };
  };
  return {
    ListNamedQueries: operation(
      z.object({ WorkGroup: z.string().default('primary') }),
      ({ WorkGroup }) => ({
        NamedQueryIds: [...queries]
          .filter(([, { workGroup }]) => workGroup === WorkGroup)
          .map(([id]) => id),
      }),
    ),
    GetNamedQuery: operation(z.object({ NamedQueryId: z.string() }), ({ NamedQueryId }) => ({
      NamedQuery: describe(NamedQueryId),
    })),
    BatchGetNamedQuery: operation(
      z.object({ NamedQueryIds: z.array(z.string()).min(1).max(50) }),
      ({ NamedQueryIds }) => ({
        NamedQueries: NamedQueryIds.filter((id) => queries.has(id)).map(describe),
        UnprocessedNamedQueryIds: NamedQueryIds.filter((id) => !queries.has(id)).map((id) => ({
          NamedQueryId: id,
          ErrorCode: 'INVALID_INPUT',
          ErrorMessage: 'was not found',
        })),
      }),
    ),
  };
}

function invalidRequest(message: string): AwsError {
  return new AwsError('InvalidRequestException', message);
}
