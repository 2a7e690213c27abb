/** What functions may do in the lake: exact actions, each on what it needs. */
import { Stack } from 'aws-cdk-lib';
import { ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { REFERENCE_PREFIX } from '../../core/chargeback/reference-tables.ts';
import { LAKE, STATEMENTS_PREFIX } from '../../core/names.ts';
import { acknowledge } from '../acknowledge.ts';
import {
  DATA_PREFIX,
  INVOICES_PREFIX,
  LEDGER_PREFIX,
  RECONCILIATION_PREFIX,
} from './usage-lake.ts';
import { RESULTS_PREFIX, type UsageQueries } from './usage-queries.ts';
import { readViews } from './usage-views.ts';

export interface LakeAccessProps {
  readonly queries: UsageQueries;
}

/** Policies beside the data, for the roles of functions that live in another stack. */
export class LakeAccess extends Construct {
  /** Reads the raw usage, which it cannot change; makes and writes the ledger; asks in the workgroup of the writer. */
  readonly bookingPolicy: ManagedPolicy;
  /** Reads the ledger and what views join it with; writes statements and reference tables, and reads those back. */
  readonly statingPolicy: ManagedPolicy;
  /** Reads raw usage and ledger, which it cannot change; makes and writes the results of the reconciler. */
  readonly provingPolicy: ManagedPolicy;
  /** Keeps invoices; reads the ledger and books adjustments into it. */
  readonly invoicesPolicy: ManagedPolicy;
  /** Asks for single calls of the raw usage, in the workgroup of questions. */
  readonly lookupPolicy: ManagedPolicy;

  constructor(scope: Construct, id: string, { queries }: LakeAccessProps) {
    super(scope, id);
    const { lake } = queries;
    this.provingPolicy = this.#proving(queries);
    this.invoicesPolicy = this.#invoices(queries);
    this.lookupPolicy = this.#lookup(queries);
    this.bookingPolicy = new ManagedPolicy(this, 'Booking', {
      description: 'Books usage into the ledger',
      statements: [
        ...queryStatements(queries, queries.writerWorkGroupName),
        allow(['glue:GetDatabase', 'glue:GetTable'], glueArns(this, ['usageTable', 'ledgerTable'])),
        allow(['glue:CreateTable', 'glue:UpdateTable'], glueArns(this, ['ledgerTable'])),
        allow(['s3:GetObject'], [lake.bucket.arnForObjects(`${DATA_PREFIX}*`)]),
        // A merge writes data and metadata files, and tidying deletes those that nothing needs any more.
        allow(TABLE_FILES, [lake.bucket.arnForObjects(`${LEDGER_PREFIX}*`)]),
      ],
    });
    acknowledge(this.bookingPolicy, {
      'IAM5[Resource::<UsageLakeBucket92E3DB89.Arn>/usage/*]': unnamed,
      'IAM5[Resource::<UsageLakeBucket92E3DB89.Arn>/ledger/*]': unnamed,
      'IAM5[Resource::<UsageQueriesResultsFC32D7A1.Arn>/results/*]': unnamed,
    });
    this.statingPolicy = this.#stating(queries);
  }

  #stating(queries: UsageQueries): ManagedPolicy {
    const { lake } = queries;
    const prefixes = [STATEMENTS_PREFIX, REFERENCE_PREFIX];
    const policy = new ManagedPolicy(this, 'Stating', {
      description: 'Makes statements of the ledger',
      statements: [
        ...queryStatements(queries, queries.workGroupName),
        allow(
          ['glue:GetDatabase', 'glue:GetTable'],
          [
            ...glueArns(this, ['ledgerTable']),
            ...readViews().map(({ name }) => tableArn(this, name)),
          ],
        ),
        allow(['s3:GetObject'], [lake.bucket.arnForObjects(`${LEDGER_PREFIX}*`)]),
        allow(
          ['s3:GetObject', 's3:PutObject'],
          prefixes.map((prefix) => lake.bucket.arnForObjects(`${prefix}*`)),
        ),
      ],
    });
    acknowledge(policy, {
      'IAM5[Resource::<UsageLakeBucket92E3DB89.Arn>/ledger/*]': unnamed,
      'IAM5[Resource::<UsageLakeBucket92E3DB89.Arn>/statements/*]': unnamed,
      'IAM5[Resource::<UsageLakeBucket92E3DB89.Arn>/reference/*]': unnamed,
      'IAM5[Resource::<UsageQueriesResultsFC32D7A1.Arn>/results/*]': unnamed,
    });
    return policy;
  }

  #proving(queries: UsageQueries): ManagedPolicy {
    const { bucket } = queries.lake;
    const policy = new ManagedPolicy(this, 'Proving', {
      description: 'Compares accounts, ledger and raw events',
      statements: [
        ...queryStatements(queries, queries.writerWorkGroupName),
        allow(
          ['glue:GetDatabase', 'glue:GetTable'],
          glueArns(this, ['usageTable', 'ledgerTable', 'reconciliationTable']),
        ),
        allow(['glue:CreateTable', 'glue:UpdateTable'], glueArns(this, ['reconciliationTable'])),
        allow(
          ['s3:GetObject'],
          [bucket.arnForObjects(`${DATA_PREFIX}*`), bucket.arnForObjects(`${LEDGER_PREFIX}*`)],
        ),
        allow(TABLE_FILES, [bucket.arnForObjects(`${RECONCILIATION_PREFIX}*`)]),
      ],
    });
    acknowledge(policy, {
      'IAM5[Resource::<UsageLakeBucket92E3DB89.Arn>/usage/*]': unnamed,
      'IAM5[Resource::<UsageLakeBucket92E3DB89.Arn>/ledger/*]': unnamed,
      'IAM5[Resource::<UsageLakeBucket92E3DB89.Arn>/reconciliation/*]': unnamed,
      'IAM5[Resource::<UsageQueriesResultsFC32D7A1.Arn>/results/*]': unnamed,
    });
    return policy;
  }

  #invoices(queries: UsageQueries): ManagedPolicy {
    const { bucket } = queries.lake;
    const policy = new ManagedPolicy(this, 'Invoices', {
      description: 'Compares invoices with the ledger and books adjustments',
      statements: [
        ...queryStatements(queries, queries.writerWorkGroupName),
        allow(
          ['glue:GetDatabase', 'glue:GetTable', 'glue:UpdateTable'],
          glueArns(this, ['ledgerTable']),
        ),
        allow(
          ['s3:GetObject', 's3:PutObject', 's3:AbortMultipartUpload'],
          [bucket.arnForObjects(`${LEDGER_PREFIX}*`), bucket.arnForObjects(`${INVOICES_PREFIX}*`)],
        ),
      ],
    });
    acknowledge(policy, {
      'IAM5[Resource::<UsageLakeBucket92E3DB89.Arn>/ledger/*]': unnamed,
      'IAM5[Resource::<UsageLakeBucket92E3DB89.Arn>/invoices/*]': unnamed,
      'IAM5[Resource::<UsageQueriesResultsFC32D7A1.Arn>/results/*]': unnamed,
    });
    return policy;
  }

  #lookup(queries: UsageQueries): ManagedPolicy {
    const policy = new ManagedPolicy(this, 'Lookup', {
      description: 'Finds the usage event of a call',
      statements: [
        ...queryStatements(queries, queries.workGroupName),
        allow(['glue:GetDatabase', 'glue:GetTable'], glueArns(this, ['usageTable'])),
        allow(['s3:GetObject'], [queries.lake.bucket.arnForObjects(`${DATA_PREFIX}*`)]),
      ],
    });
    acknowledge(policy, {
      'IAM5[Resource::<UsageLakeBucket92E3DB89.Arn>/usage/*]': unnamed,
      'IAM5[Resource::<UsageQueriesResultsFC32D7A1.Arn>/results/*]': unnamed,
    });
    return policy;
  }
}

/** What writing to an Iceberg table takes, and deleting what nothing needs any more. */
const TABLE_FILES = [
  's3:GetObject',
  's3:PutObject',
  's3:DeleteObject',
  's3:AbortMultipartUpload',
] as const;

const unnamed = 'Objects below one prefix, which have no names before they exist.';

function queryStatements(queries: UsageQueries, workGroup: string): PolicyStatement[] {
  const { lake, results } = queries;
  const group = Stack.of(queries).formatArn({
    service: 'athena',
    resource: 'workgroup',
    resourceName: workGroup,
  });
  return [
    allow(
      ['athena:StartQueryExecution', 'athena:GetQueryExecution', 'athena:GetQueryResults'],
      [group],
    ),
    allow(['s3:GetBucketLocation', 's3:ListBucket'], [lake.bucket.bucketArn, results.bucketArn]),
    allow(
      ['s3:GetObject', 's3:PutObject', 's3:AbortMultipartUpload'],
      [results.arnForObjects(`${RESULTS_PREFIX}*`)],
    ),
    allow(['kms:Decrypt', 'kms:GenerateDataKey'], [lake.key.keyArn]),
  ];
}

/** Glue checks the catalog and the database besides the tables. */
function glueArns(
  scope: Construct,
  tables: readonly ('usageTable' | 'ledgerTable' | 'reconciliationTable')[],
): readonly string[] {
  const arn = (resource: string) => Stack.of(scope).formatArn({ service: 'glue', resource });
  return [
    arn('catalog'),
    arn(`database/${LAKE.database}`),
    ...tables.map((table) => tableArn(scope, LAKE[table])),
  ];
}

function tableArn(scope: Construct, table: string): string {
  const resource = `table/${LAKE.database}/${table}`;
  return Stack.of(scope).formatArn({ service: 'glue', resource });
}

function allow(actions: readonly string[], resources: readonly string[]): PolicyStatement {
  return new PolicyStatement({ actions: [...actions], resources: [...resources] });
}
