import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONTRACT_ENDPOINT, clientsOf } from './endpoint.ts';
import { putJson, query } from './lake-fixture.ts';

const KILLS = 3;
const BATCHES_BEFORE_KILL = 20;
const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-kill-'));
let server: { process: ChildProcess; clients: ReturnType<typeof clientsOf>; queueUrl: string };

async function start(): Promise<void> {
  const script = join(import.meta.dirname, 'server-process.ts');
  const child = spawn(process.execPath, [script, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout, 'data');
  const url = String(line).trim();
  server = { process: child, clients: clientsOf(url), queueUrl: `${url}/000000000000/spill` };
}

async function kill(): Promise<void> {
  const exited = once(server.process, 'exit');
  server.process.kill('SIGKILL');
  await exited;
  server.clients.destroy();
}

/** Kills the server in the middle of its work, while calls go on; gives the ids that were acknowledged. */
async function sendUntilKilled(round: number): Promise<{ records: string[]; messages: string[] }> {
  const records: string[] = [];
  const messages: string[] = [];
  const { clients, queueUrl: QueueUrl } = server;
  let killed: Promise<void> | undefined;
  for (let index = 0; ; index += 1) {
    if (index === BATCHES_BEFORE_KILL) killed = kill();
    const ids = Array.from({ length: 50 }, (_, item) => `${round}-${index}-${item}`);
    const events = ids.map((id) => ({ request_id: id, team_id: 't', tokens: 1, stream: true }));
    try {
      await putJson(clients.kinesis, events);
      records.push(...ids);
      await clients.sqs.send(
        new SendMessageCommand({ QueueUrl, MessageBody: `${round}-${index}` }),
      );
      messages.push(`${round}-${index}`);
    } catch {
      break;
    }
  }
  await killed;
  return { records, messages };
}

beforeAll(start);
afterAll(async () => {
  await kill();
  rmSync(dataDir, { recursive: true, force: true });
});

// Nobody can kill a service elsewhere.
describe.skipIf(CONTRACT_ENDPOINT !== undefined)('after kill -9 and a restart', () => {
  it('everything acknowledged is there, however often it happens', async () => {
    const records: string[] = [];
    const messages: string[] = [];
    for (let round = 0; round < KILLS; round += 1) {
      const sent = await sendUntilKilled(round);
      records.push(...sent.records);
      messages.push(...sent.messages);
      await start();
    }
    expect(records.length).toBeGreaterThanOrEqual(KILLS * BATCHES_BEFORE_KILL * 50);

    const { rows } = await query(server.clients.athena, 'SELECT request_id FROM usage');
    const found = new Set(rows.slice(1).flat());
    expect(records.filter((id) => !found.has(id))).toEqual([]);

    const received = new Set<string | undefined>();
    for (let isEmpty = false; !isEmpty; ) {
      const { Messages = [] } = await server.clients.sqs.send(
        new ReceiveMessageCommand({ QueueUrl: server.queueUrl, MaxNumberOfMessages: 10 }),
      );
      for (const { Body } of Messages) received.add(Body);
      isEmpty = Messages.length === 0;
    }
    expect(messages.filter((body) => !received.has(body))).toEqual([]);
  }, 30_000);
});
