/** The Athena workgroup, and one named query for each file of lib/queries. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duration, type RemovalPolicy, Size } from 'aws-cdk-lib';
import { CfnNamedQuery, CfnWorkGroup } from 'aws-cdk-lib/aws-athena';
import type { Key } from 'aws-cdk-lib/aws-kms';
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

export class UsageQueries extends Construct {
  constructor(scope: Construct, id: string, props: UsageQueriesProps) {
    super(scope, id);
    const results = privateBucket(this, 'Results', {
      key: props.key,
      accessLogs: props.lake.accessLogs,
      versioned: false,
      lifecycleRules: [{ expiration: Duration.days(30) }],
      removalPolicy: props.removalPolicy,
    });
    // Athena has no generated names: a workgroup is addressed by the name given here.
    const workGroup = new CfnWorkGroup(this, 'WorkGroup', {
      name: `tollgate-${props.stage}`,
      description: 'Questions about usage and cost',
      workGroupConfiguration: {
        enforceWorkGroupConfiguration: true,
        publishCloudWatchMetricsEnabled: true,
        bytesScannedCutoffPerQuery: Size.gibibytes(props.scanLimitGb).toBytes(),
        resultConfiguration: {
          outputLocation: results.s3UrlForObject('results/'),
          encryptionConfiguration: { encryptionOption: 'SSE_KMS', kmsKey: props.key.keyArn },
        },
      },
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
      const lines = sql.split('\n');
      const comment = lines.slice(
        0,
        lines.findIndex((line) => !line.startsWith('--')),
      );
      const description = comment.map((line) => line.replace(/^-- ?/, '')).join(' ');
      return { name: file.replace(/\.sql$/, ''), description, sql };
    });
}
