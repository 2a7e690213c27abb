import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AthenaClient } from '@aws-sdk/client-athena';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { FirehoseClient } from '@aws-sdk/client-firehose';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { S3Client } from '@aws-sdk/client-s3';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SNSClient } from '@aws-sdk/client-sns';
import { SQSClient } from '@aws-sdk/client-sqs';
import {
  type LocalAws,
  type LocalAwsOptions,
  startLocalAws,
} from '../../../local/aws/local-aws.ts';

/** The same tests run against another implementation when this names its address. */
export const CONTRACT_ENDPOINT = process.env['CONTRACT_ENDPOINT'];

export interface Endpoint {
  readonly url: string;
  /** Undefined when the suite runs against another implementation. */
  readonly local: LocalAws | undefined;
  readonly dataDir: string;
  close(): Promise<void>;
}

export async function openEndpoint(options: Partial<LocalAwsOptions> = {}): Promise<Endpoint> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-aws-'));
  const local =
    CONTRACT_ENDPOINT === undefined ? await startLocalAws({ dataDir, ...options }) : undefined;
  return {
    url: CONTRACT_ENDPOINT ?? local?.url ?? '',
    local,
    dataDir,
    async close() {
      await local?.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Unmodified clients: only the endpoint, and credentials that nobody checks. */
export function clientsOf(endpoint: string) {
  const config = {
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
  };
  const clients = {
    athena: new AthenaClient(config),
    events: new EventBridgeClient(config),
    firehose: new FirehoseClient(config),
    kinesis: new KinesisClient(config),
    s3: new S3Client({ ...config, forcePathStyle: true }),
    secrets: new SecretsManagerClient(config),
    sns: new SNSClient(config),
    sqs: new SQSClient(config),
  };
  return {
    ...clients,
    destroy() {
      for (const client of Object.values(clients)) client.destroy();
    },
  };
}

/** A name that no earlier run against the same endpoint has used. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
}
