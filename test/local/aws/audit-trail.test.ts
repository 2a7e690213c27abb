import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AthenaClient } from '@aws-sdk/client-athena';
import { DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/clock.ts';
import {
  AUDIT_COLUMNS,
  AUDIT_PREFIX,
  auditObjectKey,
  auditRecord,
} from '../../../core/governance/audit.ts';
import { LAKE } from '../../../core/names.ts';
import { createAthena } from '../../../lambdas/adapters/athena.ts';
import { pauseRandomly } from '../../../lambdas/adapters/dynamo-accounts.ts';
import { createObjects } from '../../../lambdas/adapters/objects.ts';
import { readNamedQueries } from '../../../lib/constructs/usage-queries.ts';
import { type LocalAws, startLocalAws } from '../../../local/aws/local-aws.ts';

const BUCKET = 'audit-records';
const DAY_MS = 86_400_000;
const ADA = { id: 'ada', name: 'Ada "the" admin', role: 'tenant-admin', tenantId: 'acme' } as const;

describe('the bucket of the audit log', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-audit-'));
  let aws: LocalAws;
  let s3: S3Client;
  let athena: AthenaClient;
  const nowMs = Date.now();
  const records = [0, 1, 40].map((daysAgo) =>
    auditRecord(
      { principal: ADA, sourceIp: '192.0.2.1', requestId: 'req_1', reason: 'a new\nteam' },
      {
        operation: 'putTeam',
        object: 'tenants/acme/teams/search',
        target: { tenantId: 'acme' },
        after: { owner: "o'neill", limits: { monthly_budget: '$5' } },
      },
      { atMs: nowMs - daysAgo * DAY_MS },
    ),
  );

  beforeAll(async () => {
    aws = await startLocalAws({ dataDir });
    const region = 'us-east-1';
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
    const at = { endpoint: aws.url, region, credentials };
    s3 = new S3Client({ ...at, forcePathStyle: true });
    athena = new AthenaClient(at);
    aws.createBucket(BUCKET, { isLocked: true });
    aws.createBucket('results');
    aws.createTable({
      database: LAKE.database,
      table: LAKE.auditTable,
      bucket: BUCKET,
      prefix: AUDIT_PREFIX,
      columns: AUDIT_COLUMNS.map((name) => ({ name, type: 'string' })),
      partitionKeys: [{ name: 'dt', type: 'string' }],
      format: 'json',
    });
    aws.createWorkGroup({ name: 'people', resultsBucket: 'results', resultsPrefix: '' });
    const objects = createObjects({ client: s3, bucket: BUCKET });
    for (const record of records)
      expect(await objects.putIfAbsent(auditObjectKey(record), `${JSON.stringify(record)}\n`)).toBe(
        true,
      );
  });
  afterAll(async () => {
    s3.destroy();
    athena.destroy();
    await aws.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('takes a record once, and neither changes nor loses it', async () => {
    const [record] = records;
    if (record === undefined) throw new Error('no record');
    const at = { Bucket: BUCKET, Key: auditObjectKey(record) };
    const objects = createObjects({ client: s3, bucket: BUCKET });
    expect(await objects.putIfAbsent(at.Key, 'another')).toBe(false);
    const denied = { name: 'AccessDenied' };
    await expect(s3.send(new PutObjectCommand({ ...at, Body: 'x' }))).rejects.toMatchObject(denied);
    await expect(s3.send(new DeleteObjectCommand(at))).rejects.toMatchObject(denied);
    expect(JSON.parse((await objects.read(at.Key)) ?? '')).toEqual(record);
  });

  it('answers who changed what in the last 32 days', async () => {
    const query = readNamedQueries().find(({ name }) => name === 'audit-trail');
    const rows = await createAthena({
      client: athena,
      workGroup: 'people',
      clock: systemClock,
      pause: pauseRandomly,
    }).run(query?.sql ?? '', nowMs + 30_000);
    const shown = records.slice(0, 2).map(({ id: _, ...record }) => {
      const byName = new Map<string, string | null>(Object.entries(record));
      return AUDIT_COLUMNS.filter((name) => name !== 'id').map(
        (name) => byName.get(name) ?? undefined,
      );
    });
    expect(rows).toEqual(shown);
  });
});
