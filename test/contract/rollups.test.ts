import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { afterFinding } from '../../core/alerts/incidents.ts';
import { systemClock } from '../../core/clock.ts';
import { TABLE_KEY, TABLE_SORT } from '../../core/names.ts';
import { amountOf } from '../../core/rollups/amounts.ts';
import { applyBatch } from '../../core/rollups/apply-batch.ts';
import { MAX_FEATURES } from '../../core/rollups/subjects.ts';
import { type Aws, createAws } from '../../lambdas/adapters/aws-client.ts';
import { createDynamoIncidents } from '../../lambdas/adapters/dynamo-incidents.ts';
import { createLeanDynamo } from '../../lambdas/adapters/dynamo-lean.ts';
import { overSdk } from '../../lambdas/adapters/dynamo-sdk.ts';
import { createRollupIndex } from '../../lambdas/adapters/rollup-index.ts';
import { createRollups } from '../../lambdas/adapters/rollups.ts';
import { AT_MS, usageEvent } from '../core/rollups/usage-events.ts';
import { DYNOXIDE_CREDENTIALS, dynoxideBinary, startDynoxide } from '../support/dynoxide.ts';

const TABLE = 'rollups';
const WINDOW_MS = Date.UTC(2026, 10, 20, 10);
const RANGE = { granularity: 'fiveMinutes', fromMs: WINDOW_MS - 900_000, toMs: WINDOW_MS } as const;
const binary = dynoxideBinary();

/** The engine is an optional dependency that exists for Linux x64 only. */
describe.skipIf(binary === undefined)('the rollups table', () => {
  let client: DynamoDBClient;
  let aws: Aws;
  let stop: () => Promise<void>;
  beforeAll(async () => {
    const engine = await startDynoxide(binary ?? '');
    stop = engine.stop;
    client = new DynamoDBClient({
      endpoint: engine.url,
      region: 'us-east-1',
      credentials: DYNOXIDE_CREDENTIALS,
      maxAttempts: 10,
    });
    const { accessKeyId, secretAccessKey } = DYNOXIDE_CREDENTIALS;
    const role = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    const env = { AWS_ENDPOINT_URL: engine.url, AWS_REGION: 'us-east-1', ...role };
    aws = createAws({ clock: systemClock, env });
    await client.send(
      new CreateTableCommand({
        TableName: TABLE,
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [
          { AttributeName: TABLE_KEY, KeyType: 'HASH' },
          { AttributeName: TABLE_SORT, KeyType: 'RANGE' },
        ],
        AttributeDefinitions: [TABLE_KEY, TABLE_SORT].map((AttributeName) => ({
          AttributeName,
          AttributeType: 'S' as const,
        })),
      }),
    );
  });
  afterAll(async () => {
    client.destroy();
    aws.close();
    await stop();
  });

  const batch = (tenant_id: string, from: number, to: number) => ({
    shard: 'shardId-000000000003',
    events: Array.from({ length: to - from }, (_, index) => ({
      event: usageEvent({ tenant_id }),
      sequence: String(from + index).padStart(56, '0'),
      arrivedAtMs: AT_MS,
    })),
    featureOf: () => 'answers',
  });

  /** The monitor's and the request path's own client, and the SDK of the control plane. */
  const dynamo = {
    lean: () => createLeanDynamo(aws).catalog,
    sdk: () => overSdk(client),
  };
  describe.each(['lean', 'sdk'] as const)('through the %s client', (name) => {
    it('adds each record once, whatever is delivered again', async () => {
      const rollups = createRollups({ dynamo: dynamo[name](), tableName: TABLE });
      await applyBatch(rollups, batch(`once-${name}`, 0, 10));
      await applyBatch(rollups, batch(`once-${name}`, 0, 10));
      await applyBatch(rollups, batch(`once-${name}`, 5, 25));
      await applyBatch(rollups, { ...batch(`once-${name}`, 0, 3), shard: 'shardId-000000000004' });
      const team = { kind: 'team', tenantId: `once-${name}`, teamId: 'search' } as const;
      const members = await rollups.readCollection(team, RANGE);
      const [window] = members;
      expect(window?.startMs).toBe(WINDOW_MS);
      expect(amountOf(window?.rollup ?? {}, 'requests')).toBe(28);
      expect(amountOf(window?.rollup ?? {}, 'inputTokens')).toBe(2_800);
      expect(members.map(({ member }) => member)).toEqual([
        'all',
        'feature/answers',
        'model/small',
      ]);
    });

    it('finds hours by their begin, and nothing where there is nothing', async () => {
      const rollups = createRollups({ dynamo: dynamo[name](), tableName: TABLE });
      await applyBatch(rollups, batch(`hours-${name}`, 0, 4));
      const subject = { kind: 'tenant', tenantId: `hours-${name}` } as const;
      const hours = await rollups.readHours(subject, [WINDOW_MS, WINDOW_MS - 3_600_000]);
      expect([...hours].map(([at, rollup]) => [at, rollup['rq']])).toEqual([[WINDOW_MS, 4]]);
      const other = { kind: 'tenant', tenantId: 'nobody' } as const;
      expect(await rollups.readCollection(other, RANGE)).toEqual([]);
    });

    it('gives so many features of a team a sum of their own on a day', async () => {
      const team = `team/a/${name}`;
      const index = createRollupIndex({ dynamo: dynamo[name](), tableName: TABLE });
      const names = Array.from({ length: MAX_FEATURES + 5 }, (_, at) => `f${at}`);
      for (const name of names) await index.admitFeature(team, 20_000, name);
      const admitted = await index.admitFeature(team, 20_000, 'f0');
      expect(admitted.size).toBe(MAX_FEATURES);
      expect((await index.admitFeature(team, 20_000, 'one more')).has('one more')).toBe(false);
      expect((await index.admitFeature(team, 20_001, 'one more')).has('one more')).toBe(true);
    });

    it('remembers who was active in a window', async () => {
      const team = `team/a/${name}`;
      const index = createRollupIndex({ dynamo: dynamo[name](), tableName: TABLE });
      await index.markActive(WINDOW_MS, team);
      await index.markActive(WINDOW_MS, team);
      expect(await index.activeIn(WINDOW_MS)).toContain(team);
      expect(await index.activeIn(WINDOW_MS + 300_000)).toEqual([]);
    });
  });

  it('keeps incidents, one writer at a time', async () => {
    const store = createDynamoIncidents({
      client,
      tableName: TABLE,
      clock: { nowMs: () => AT_MS },
    });
    const scope = { kind: 'team', tenantId: 'acme', teamId: 'search' } as const;
    const finding = {
      kind: 'spike',
      labels: { tenant: 'acme', team: 'search' },
      isLingering: false,
      severity: 'warning',
      numbers: { tokens: 1 },
      summary: 's',
    } as const;
    const incident = afterFinding(undefined, { finding, scope, owner: 'ann' }, AT_MS);
    if (incident === undefined) throw new Error('not opened');
    const first = { incident, version: 0, toldTransitions: 0, claimedAtSeconds: 5 };
    expect(await store.write('team%2Facme%2Fsearch/spike', first)).toBe(true);
    expect(await store.write('team%2Facme%2Fsearch/spike', first)).toBe(false);
    expect(
      await store.write('team%2Facme%2Fsearch/spike', { ...first, version: 1, toldTransitions: 1 }),
    ).toBe(true);
    const [stored] = (await store.ofTarget('team/acme/search')).values();
    expect(stored).toEqual({ ...first, version: 2, toldTransitions: 1 });
    expect((await store.ofTarget('team/acme')).size).toBe(0);
    expect((await store.unfinished()).size).toBe(1);
    const closed = { ...incident, isOpen: false };
    await store.write('team%2Facme%2Fsearch/spike', {
      ...first,
      incident: closed,
      version: 2,
      toldTransitions: 1,
    });
    expect((await store.unfinished()).size).toBe(0);
  });
});
