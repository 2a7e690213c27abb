/** The views that questions share, one for each file of lib/views, and the reference tables beside them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Stack } from 'aws-cdk-lib';
import {
  CfnTable,
  DataFormat,
  S3Table,
  S3TableStorage,
  Schema,
  type Type,
} from 'aws-cdk-lib/aws-glue';
import { Construct } from 'constructs';
import { REFERENCE_TABLES, referencePrefix } from '../../core/chargeback/reference-tables.ts';
import { LAKE } from '../../core/names.ts';
import type { ColumnType } from '../../core/usage/event.ts';
import { projectRoot } from '../project-root.ts';
import type { UsageLake } from './usage-lake.ts';
import { leadingComment } from './usage-queries.ts';

export interface UsageViewsProps {
  readonly lake: UsageLake;
}

export class UsageViews extends Construct {
  constructor(scope: Construct, id: string, { lake }: UsageViewsProps) {
    super(scope, id);
    for (const view of readViews()) addView(this, lake, view);
    for (const [name, { description, columns }] of Object.entries(REFERENCE_TABLES)) {
      new S3Table(this, name, {
        database: lake.database,
        tableName: name,
        description,
        columns: columns.map((column) => ({ name: column.name, type: GLUE_TYPES[column.type] })),
        dataFormat: DataFormat.PARQUET,
        storage: S3TableStorage.fromBucket(lake.bucket),
        s3Prefix: referencePrefix(name),
      });
    }
  }
}

/** Athena keeps a view as a table whose text is JSON in base64 in a comment, with the types of the query's columns twice. */
function addView(scope: Construct, { database }: UsageLake, view: View): void {
  const text = JSON.stringify({
    originalSql: view.sql,
    catalog: 'awsdatacatalog',
    schema: LAKE.database,
    columns: view.columns,
  });
  new CfnTable(scope, view.name, {
    catalogId: Stack.of(scope).account,
    databaseName: database.databaseName,
    tableInput: {
      name: view.name,
      description: view.description,
      tableType: 'VIRTUAL_VIEW',
      parameters: { presto_view: 'true', comment: 'Presto View' },
      partitionKeys: [],
      storageDescriptor: {
        columns: view.columns.map(({ name, type }) => ({ name, type: hiveType(type) })),
        serdeInfo: {},
      },
      viewOriginalText: `/* Presto View: ${Buffer.from(text).toString('base64')} */`,
      viewExpandedText: '/* Presto View */',
    },
  });
}

type ViewType = 'varchar' | 'bigint' | 'boolean' | 'date' | 'decimal(38,9)';

export interface View {
  readonly name: string;
  readonly description: string;
  readonly sql: string;
  readonly columns: readonly { readonly name: string; readonly type: ViewType }[];
}

/** The file's name is the view's name, and its leading comment is the description. */
export function readViews(folder = join(projectRoot, 'lib/views')): readonly View[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => {
      const { description, rest } = leadingComment(readFileSync(join(folder, file), 'utf8'));
      const name = file.replace(/\.sql$/, '');
      return { name, description, sql: rest, columns: columnsOf(rest) };
    });
}

/** Athena compares them with what the query gives, in order; the texts are the rest. */
const TYPES: Readonly<Record<string, ViewType>> = {
  usage_day: 'date',
  estimated: 'boolean',
  unpriced: 'boolean',
  status: 'bigint',
  requests: 'bigint',
  cost_usd: 'decimal(38,9)',
  charged_usd: 'decimal(38,9)',
};

/** Each line of the select list is one column and ends with its name; names of amounts end in their unit. */
function columnsOf(sql: string): View['columns'] {
  const list = sql.slice(0, sql.search(/^from /m));
  return [...list.matchAll(/(\w+),?$/gm)].slice(1).map(([, name = '']) => {
    const isAmount = /_(ms|tokens|nano_usd)$/.test(name);
    return { name, type: TYPES[name] ?? (isAmount ? 'bigint' : 'varchar') };
  });
}

function hiveType(type: ViewType): string {
  return type === 'varchar' ? 'string' : type;
}

const GLUE_TYPES: Readonly<Record<ColumnType, Type>> = {
  string: Schema.STRING,
  bigint: Schema.BIG_INT,
  boolean: Schema.BOOLEAN,
};
