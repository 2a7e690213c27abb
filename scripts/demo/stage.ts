/** Where incidents are played: a gateway of its own in a temporary folder, and a Slack that shows what it is sent. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import * as z from 'zod';
import { ALERT_SOURCE, ENV } from '../../core/names.ts';
import { startInstance } from '../../local/instance.ts';

export interface DemoStage {
  readonly aws: {
    readonly endpoint: string;
    readonly region: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
  readonly dynamoUrl: string;
  readonly names: { readonly stream: string; readonly rollups: string };
  readonly baseUrl: string;
  /** A new virtual key of the team. */
  keyOf(team: string): Promise<string>;
  putOnBus(detailType: string, detail: Readonly<Record<string, unknown>>): Promise<void>;
  /** What has come of one kind so far. */
  arrived(kind: string): Arrived;
  close(): Promise<void>;
}

export interface Arrived {
  readonly mails: readonly string[];
  readonly slack: readonly string[];
}

const POLICY = resolve(import.meta.dirname, 'policy.yaml');

export interface StageOptions {
  readonly synthCacheDir: string;
  /** Ends a start that is under way. */
  readonly signal: AbortSignal;
}

type Stop = () => void | Promise<void>;

/** Nothing of it stays, whether it opens or not. */
export async function openStage(options: StageOptions): Promise<DemoStage> {
  const stops: Stop[] = [];
  const close = async (): Promise<void> => {
    for (const stop of stops.splice(0).reverse()) await stop();
  };
  try {
    return { ...(await open(options, stops)), close };
  } catch (fault) {
    await close();
    throw fault;
  }
}

async function open(
  { synthCacheDir, signal }: StageOptions,
  stops: Stop[],
): Promise<Omit<DemoStage, 'close'>> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-demo-'));
  stops.push(() => rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 }));
  const slack = await openSlack();
  stops.push(slack.close);
  const instance = await startInstance({
    port: 0,
    dataDir,
    policyFile: POLICY,
    stage: 'dev',
    synthCacheDir,
    // Without a key every provider is the simulated one.
    env: { ...process.env, OPENAI_API_KEY: '' },
    log: () => {},
    signal,
  });
  stops.push(() => instance.close());
  const { state, functionEnv } = instance;
  const nameIn = (variable: string) => {
    const name = functionEnv[variable];
    if (name === undefined) throw new Error(`no function has ${variable}`);
    return name;
  };
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const aws = { endpoint: state.awsUrl, region: state.region, credentials };
  await putWebhook(aws, nameIn(ENV.slackWebhooksSecret), slack.url);
  const topics = [ENV.alertTopic, ENV.teamAlertTopic].map((topic) =>
    fileOf(dataDir, nameIn(topic)),
  );
  return {
    aws,
    dynamoUrl: state.dynamoUrl,
    names: { stream: nameIn(ENV.usageStream), rollups: nameIn(ENV.rollupsTable) },
    baseUrl: state.baseUrl,
    keyOf: (team) => keyOf(state, team),
    putOnBus: (type, detail) => putOnBus(aws, nameIn(ENV.alertBus), { type, detail }),
    arrived: (kind) => ({
      mails: topics.flatMap((file) => mailsIn(file, kind)),
      slack: slack.got.filter((body) => isAbout(body, kind)),
    }),
  };
}

async function openSlack() {
  const got: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += String(chunk);
    });
    request.on('end', () => {
      got.push(body);
      response.end('ok');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { got, url: `http://127.0.0.1:${port}/`, close };
}

async function putWebhook(aws: DemoStage['aws'], SecretId: string, url: string): Promise<void> {
  const client = new SecretsManagerClient(aws);
  const SecretString = JSON.stringify({ '#llm-platform': url });
  await client.send(new PutSecretValueCommand({ SecretId, SecretString }));
  client.destroy();
}

async function putOnBus(
  aws: DemoStage['aws'],
  busName: string,
  { type, detail }: { readonly type: string; readonly detail: object },
): Promise<void> {
  const client = new EventBridgeClient(aws);
  const Detail = JSON.stringify(detail);
  const entry = { EventBusName: busName, Source: ALERT_SOURCE, DetailType: type, Detail };
  const { FailedEntryCount } = await client.send(new PutEventsCommand({ Entries: [entry] }));
  client.destroy();
  if (FailedEntryCount !== 0) throw new Error('the bus refused the event');
}

async function keyOf(
  { baseUrl, adminKey }: { readonly baseUrl: string; readonly adminKey: string },
  team: string,
): Promise<string> {
  const response = await fetch(`${baseUrl}/admin/v1/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ tenantId: 'acme', teamId: team, projectId: team, owner: 'demo' }),
  });
  return z.object({ key: z.string() }).parse(await response.json()).key;
}

function fileOf(dataDir: string, topicArn: string): string {
  return join(dataDir, 'sns', `${topicArn.split(':').at(-1)}.ndjson`);
}

const notificationSchema = z.object({ message: z.string(), subject: z.string().optional() });

function mailsIn(file: string, kind: string) {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return lines.flatMap((line) => {
    const { subject = '', message } = notificationSchema.parse(JSON.parse(line));
    return isAbout(subject, kind) ? [`${subject}\n\n${message}`] : [];
  });
}

/** By the subject, which an e-mail and a Slack message share. */
function isAbout(text: string, kind: string): boolean {
  return text.includes(`] ${kind} found: `);
}
