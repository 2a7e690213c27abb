/** The audit shipper: every hour it ships the records of changes that nobody has shipped yet. */
import { S3Client } from '@aws-sdk/client-s3';
import middy from '@middy/core';
import { systemClock } from '../../core/clock.ts';
import { createAuditLog } from '../adapters/audit-log.ts';
import { createSdkDynamo } from '../adapters/dynamo-sdk.ts';
import { readEnvironment } from '../adapters/environment.ts';
import { createObjects } from '../adapters/objects.ts';
import { createTelemetry } from '../adapters/telemetry.ts';

const telemetry = createTelemetry('audit-shipper');
const env = readEnvironment(['auditTable', 'auditBucket']);
const log = createAuditLog({
  client: createSdkDynamo().client,
  tableName: env.auditTable,
  objects: createObjects({ client: new S3Client({ maxAttempts: 5 }), bucket: env.auditBucket }),
  clock: systemClock,
  report: telemetry.report,
});

export const handler = middy().handler(async (): Promise<{ shipped: number }> => {
  const { shipped, failed } = await log.sweep();
  if (shipped > 0) telemetry.log('audit records shipped late', { shipped });
  telemetry.flush();
  // A failed run is what the alarm looks for.
  if (failed > 0) throw new Error(`${failed} audit records could not be shipped`);
  return { shipped };
});
