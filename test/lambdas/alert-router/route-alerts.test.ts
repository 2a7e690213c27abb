import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Alert } from '../../../core/alerts/alert.ts';
import type { Message } from '../../../core/alerts/messages.ts';
import type { PolicySnapshot } from '../../../core/catalog/snapshot.ts';
import { teamKey } from '../../../core/tenancy/scopes.ts';
import { createAlertDeliveries } from '../../../lambdas/adapters/alert-deliveries.ts';
import { createSlackWebhooks } from '../../../lambdas/adapters/slack-webhooks.ts';
import { createAlertRouter } from '../../../lambdas/alert-router/route-alerts.ts';
import { type Dynamo, startDynamo } from '../../../local/dynamo.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-router-'));
let engine: Dynamo;
let client: DynamoDBClient;
beforeAll(async () => {
  engine = await startDynamo({ dataDir, env: process.env, log: () => undefined });
  client = new DynamoDBClient({
    endpoint: engine.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  });
});
afterAll(async () => {
  client?.destroy();
  await engine?.close();
  rmSync(dataDir, { recursive: true });
});

/** Slack, answering what the test says; the last answer stays. */
interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
}
let answers: Answer[];
let posted: string[];
const slackServer = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => {
    body += String(chunk);
  });
  request.on('end', () => {
    const { status, headers = {} } = (answers.length > 1 ? answers.shift() : answers[0]) ?? {
      status: 200,
    };
    if (status === 200) posted.push(body);
    response.writeHead(status, headers).end('ok');
  });
});
beforeAll(() => new Promise<void>((resolve) => slackServer.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => slackServer.close(resolve)));

let nowMs: number;
let platform: string[];
let teams: string[];
let isTopicOut: boolean;
let reported: string[];
let paused: number[];
let tables = 0;
let router: ReturnType<typeof createAlertRouter>;

beforeEach(async () => {
  answers = [{ status: 200 }];
  posted = [];
  platform = [];
  teams = [];
  isTopicOut = false;
  reported = [];
  paused = [];
  nowMs = Date.parse('2026-11-20T12:00:00Z');
  tables += 1;
  const tableName = `rollups-${tables}`;
  await client.send(
    new CreateTableCommand({
      TableName: tableName,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      AttributeDefinitions: [
        { AttributeName: 'pk', AttributeType: 'S' },
        { AttributeName: 'sk', AttributeType: 'S' },
      ],
    }),
  );
  const clock = { nowMs: () => nowMs };
  const take = (box: string[]) => async (text: string) => {
    if (isTopicOut) throw new Error('SNS is out');
    box.push(text);
  };
  const { port } = slackServer.address() as AddressInfo;
  const urls = { '#search': `http://127.0.0.1:${port}/hook` };
  router = createAlertRouter({
    policy: async () => policy,
    deliveries: createAlertDeliveries({ client, tableName, clock }),
    topics: {
      toPlatform: (message: Message) => take(platform)(message.subject),
      toTeams: (channel, message) => take(teams)(`${channel} ${message.subject}`),
      toChat: undefined,
    },
    slack: createSlackWebhooks({
      secrets: { send: async () => ({ SecretString: JSON.stringify(urls) }) },
      secretArn: 'arn',
      clock,
      pause: async (ms) => void paused.push(ms),
    }),
    docsUrl: undefined,
    clock,
    report: (incident) => reported.push(incident),
  });
});
afterEach(() => {
  answers = [{ status: 200 }];
});

const night = { days: [1, 2, 3, 4, 5, 6, 7], fromMinute: 1320, toMinute: 360, timeZone: 'UTC' };
const policy: PolicySnapshot = {
  version: 1,
  timeZone: 'UTC',
  providers: {},
  models: {},
  projects: [],
  tenants: {},
  teams: {
    [teamKey('acme', 'search')]: teamOf('search', ['mail', 'chat']),
    [teamKey('acme', 'sleepy')]: teamOf('sleepy', ['quiet']),
    [teamKey('acme', 'choosy')]: teamOf('choosy', ['money', 'grave']),
    [teamKey('acme', 'lost')]: teamOf('lost', ['nowhere']),
  },
  alertChannels: {
    mail: { email: 'search@example.com' },
    chat: { slack: '#search' },
    quiet: { email: 'sleepy@example.com', quietHours: night },
    nowhere: { slack: '#nowhere' },
    money: { email: 'finance@example.com', kinds: ['budget', 'budget-projection'] },
    grave: { slack: '#search', atLeast: 'critical' },
  },
  notify: ['chat'],
};

function teamOf(id: string, notify: string[]) {
  return { id, tenantId: 'acme', tiers: [], limits: {}, alertAtPercent: [], owner: 'x', notify };
}

function alertOf(id: string, over: Partial<Alert> = {}): Alert {
  return {
    kind: 'spike',
    severity: 'warning',
    state: 'opened',
    tenant: 'acme',
    team: 'search',
    owner: 'search-lead@example.com',
    since: '2026-11-20T10:09:00.000Z',
    about: id,
    summary: 'something is the case',
    numbers: { tokens: 1 },
    runbook: 'docs/runbook.md#spike',
    command: 'npm run athena -- spend-by-feature',
    deduplicationId: id,
    ...over,
  };
}

describe('alert router', () => {
  it('tells the platform team and every channel of the team, each once however often the event comes', async () => {
    for (let time = 0; time < 3; time += 1) await router.route(alertOf('a'));
    expect(platform).toEqual(['[warning] spike found: a']);
    expect(teams).toEqual(['mail [warning] spike found: a']);
    expect(posted).toHaveLength(1);
    expect(posted[0]).toContain('spike found: a');
  });

  it('about no tenant goes to the channels of the policy, and those of a tenant without any to none of them', async () => {
    const { tenant, team, ...ofNobody } = alertOf('pool');
    await router.route(ofNobody);
    expect([platform.length, teams.length, posted.length]).toEqual([1, 0, 1]);
    await router.route(alertOf('elsewhere', { tenant: 'other', team: 'lab' }));
    expect([platform.length, teams.length, posted.length]).toEqual([2, 0, 1]);
  });

  it('goes to channels that want its kind and its severity', async () => {
    const choosy = (id: string, over: Partial<Alert>) =>
      router.route(alertOf(id, { team: 'choosy', ...over }));
    await choosy('spike', {});
    expect([platform.length, teams.length, posted.length]).toEqual([1, 0, 0]);
    await choosy('budget', { kind: 'budget' });
    expect([platform.length, teams.length, posted.length]).toEqual([2, 1, 0]);
    await choosy('worse', { severity: 'critical', state: 'worsened' });
    expect([platform.length, teams.length, posted.length]).toEqual([3, 1, 1]);
  });

  it('tells once when two copies race', async () => {
    await Promise.allSettled(Array.from({ length: 8 }, () => router.route(alertOf('a'))));
    expect(platform).toHaveLength(1);
    expect(posted).toHaveLength(1);
  });

  it('tells nobody twice when Slack is down, and Slack when it is back', async () => {
    answers = [{ status: 503 }];
    await expect(router.route(alertOf('a'))).rejects.toThrow('1 channels');
    expect(reported).toEqual(['alert not delivered']);
    expect([platform.length, teams.length, posted.length]).toEqual([1, 1, 0]);
    answers = [{ status: 200 }];
    await router.route(alertOf('a'));
    expect([platform.length, teams.length, posted.length]).toEqual([1, 1, 1]);
  });

  it('waits as long as Slack asks, and leaves longer waits to the next try', async () => {
    answers = [{ status: 429, headers: { 'retry-after': '2' } }, { status: 200 }];
    await router.route(alertOf('a'));
    expect(paused).toEqual([2000]);
    expect(posted).toHaveLength(1);
    answers = [{ status: 429, headers: { 'retry-after': '60' } }];
    await expect(router.route(alertOf('b'))).rejects.toThrow();
    expect(paused).toEqual([2000]);
  });

  it('posts to Slack while SNS is out', async () => {
    isTopicOut = true;
    await expect(router.route(alertOf('a'))).rejects.toThrow('2 channels');
    expect(posted).toHaveLength(1);
  });

  it('says of a Slack channel without a webhook that it is missing, and tries nothing again', async () => {
    await router.route(alertOf('a', { team: 'lost' }));
    expect(reported).toEqual(['alert channel not set up']);
    expect(platform).toHaveLength(1);
  });

  it('groups a storm: ten, one message about it, and the rest in one digest', async () => {
    for (let index = 0; index < 30; index += 1) await router.route(alertOf(`a${index}`));
    expect(platform).toHaveLength(11);
    expect(platform.at(-1)).toBe('A storm of alerts: 11 within five minutes');
    await router.flush();
    expect(platform.slice(11)).toEqual(['20 alerts, held back until now']);
    await router.flush();
    expect(platform).toHaveLength(12);
    nowMs += 300_000;
    await router.route(alertOf('later'));
    expect(platform.at(-1)).toBe('[warning] spike found: later');
  });

  it('keeps a digest that could not be sent', async () => {
    for (let index = 0; index < 13; index += 1) await router.route(alertOf(`a${index}`));
    isTopicOut = true;
    await expect(router.flush()).rejects.toThrow();
    isTopicOut = false;
    platform = [];
    teams = [];
    await router.flush();
    expect(platform).toEqual(['3 alerts, held back until now']);
    expect(posted.filter((body) => body.includes('held back'))).toHaveLength(1);
  });

  it('holds what can wait during quiet hours, and tells it in the morning', async () => {
    nowMs = Date.parse('2026-11-20T23:30:00Z');
    await router.route(alertOf('low', { team: 'sleepy' }));
    await router.route(alertOf('low2', { team: 'sleepy', severity: 'info' }));
    await router.route(alertOf('high', { team: 'sleepy', severity: 'critical' }));
    await router.flush();
    expect(teams).toEqual(['quiet [critical] spike found: high']);
    expect(platform).toHaveLength(3);
    nowMs = Date.parse('2026-11-21T06:01:00Z');
    await router.flush();
    expect(teams.at(-1)).toBe('quiet 2 alerts, held back until now');
  });
});
