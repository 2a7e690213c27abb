import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type LocalAws, startLocalAws } from '../../../local/aws/local-aws.ts';
import { clientsOf } from '../../contract/aws/endpoint.ts';
import { deployLake, putJson, query } from '../../contract/aws/lake-fixture.ts';

let dataDir: string;
let nowMs: number;
let aws: LocalAws;
let clients: ReturnType<typeof clientsOf>;

async function start(): Promise<void> {
  aws = await startLocalAws({ dataDir, clock: { nowMs: () => nowMs } });
  clients = clientsOf(aws.url);
  deployLake(aws);
}
async function stop(): Promise<void> {
  clients.destroy();
  await aws.close();
}

beforeEach(async () => {
  nowMs = Date.parse('2026-11-30T23:59:59Z');
  dataDir = mkdtempSync(join(tmpdir(), 'tollgate-firehose-'));
  await start();
});
afterEach(async () => {
  await stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const event = (id: string) => ({ request_id: id, team_id: 't', tokens: 1, stream: false });

it('files each record under the hour of its arrival in UTC, whenever it is delivered', async () => {
  await putJson(clients.kinesis, [event('before')]);
  nowMs += 1_000;
  await putJson(clients.kinesis, [event('after')]);
  nowMs += 7_200_000;
  const sql = 'SELECT request_id, dt, hour FROM usage ORDER BY dt';
  expect((await query(clients.athena, sql)).rows.slice(1)).toEqual([
    ['before', '2026-11-30', '23'],
    ['after', '2026-12-01', '00'],
  ]);
});

it('replaces its own files when it was killed after writing them and before noting it', async () => {
  await putJson(clients.kinesis, [event('a'), event('b')]);
  await aws.flush();
  await stop();
  const cursors = join(dataDir, 'kinesis', 'usage-stream', 'cursors');
  expect(readdirSync(cursors)).toEqual(['firehose-usage-delivery']);
  rmSync(cursors, { recursive: true });
  await start();
  await putJson(clients.kinesis, [event('c')]);
  const { rows } = await query(clients.athena, 'SELECT request_id FROM usage ORDER BY 1');
  expect(rows.slice(1).flat()).toEqual(['a', 'b', 'c']);
});
