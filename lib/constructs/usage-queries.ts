/** Athena: the workgroup of questions, that of the ledger's writer, and one named query for each file of lib/queries. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duration, type RemovalPolicy, Size } from 'aws-cdk-lib';
import { CfnNamedQuery, CfnWorkGroup } from 'aws-cdk-lib/aws-athena';
import type { Key } from 'aws-cdk-lib/aws-kms';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { projectRoot } from '../project-root.ts';
import { privateBucket } from './private-bucket.ts';
import type { UsageLake } from './usage-lake.ts';

export interface UsageQueriesProps {
  readonly lake: UsageLake;
  readonly key: Key;
  readonly stage: string;
  readonly scanLimitGb: number;
  readonly removalPolicy: RemovalPolicy;
}

/** The writer's nightly run reads a month of arrivals and the whole ledger; nobody else should. */
const WRITER_SCAN_LIMIT = Size.tebibytes(1);

export const RESULTS_PREFIX = 'results/';

export class UsageQueries extends Construct {
  readonly lake: UsageLake;
  readonly results: IBucket;
  /** For people, and for functions that only ask. */
  readonly workGroupName: string;
  readonly writerWorkGroupName: string;
  readonly #key: Key;

  constructor(scope: Construct, id: string, props: UsageQueriesProps) {
    super(scope, id);
    this.lake = props.lake;
    this.#key = props.key;
    this.workGroupName = `tollgate-${props.stage}`;
    this.writerWorkGroupName = `tollgate-${props.stage}-writer`;
    this.results = privateBucket(this, 'Results', {
      key: props.key,
      accessLogs: props.lake.accessLogs,
      versioned: false,
      lifecycleRules: [{ expiration: Duration.days(30) }],
      removalPolicy: props.removalPolicy,
    });
    const workGroup = this.#workGroup('WorkGroup', {
      name: this.workGroupName,
      description: 'Questions about usage and cost',
      scanLimit: Size.gibibytes(props.scanLimitGb),
    });
    this.#workGroup('WriterWorkGroup', {
      name: this.writerWorkGroupName,
      description: 'Bookings into the ledger',
      scanLimit: WRITER_SCAN_LIMIT,
    });
    for (const query of readNamedQueries()) {
      const namedQuery = new CfnNamedQuery(this, query.name, {
        name: query.name,
        description: query.description,
        database: props.lake.database.databaseName,
        workGroup: workGroup.name,
        queryString: query.sql,
      });
      namedQuery.addResourceDependency(workGroup);
    }
  }

  /** Athena has no generated names: a workgroup is addressed by the name given here. */
  #workGroup(
    id: string,
    { name, description, scanLimit }: { name: string; description: string; scanLimit: Size },
  ): CfnWorkGroup {
    return new CfnWorkGroup(this, id, {
      name,
      description,
      workGroupConfiguration: {
        enforceWorkGroupConfiguration: true,
        publishCloudWatchMetricsEnabled: true,
        bytesScannedCutoffPerQuery: scanLimit.toBytes(),
        resultConfiguration: {
          outputLocation: this.results.s3UrlForObject(RESULTS_PREFIX),
          encryptionConfiguration: { encryptionOption: 'SSE_KMS', kmsKey: this.#key.keyArn },
        },
      },
    });
  }
}

export interface NamedQuery {
  readonly name: string;
  readonly description: string;
  readonly sql: string;
}

/** The file's name is the query's name, and its leading comment is the description. */
export function readNamedQueries(folder = join(projectRoot, 'lib/queries')): readonly NamedQuery[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => {
      const sql = readFileSync(join(folder, file), 'utf8');
      const { description } = leadingComment(sql);
      return { name: file.replace(/\.sql$/, ''), description, sql };
    });
}

/** A file's leading comment as text, and what follows it. */
export function leadingComment(sql: string): { description: string; rest: string } {
  const lines = sql.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('--'));
  const description = lines.slice(0, end).map((line) => line.replace(/^-- ?/, ''));
  return { description: description.join(' '), rest: lines.slice(end).join('\n') };
}
