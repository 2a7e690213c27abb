import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod';

const readySchema = z.looseObject({
  baseUrl: z.string(),
  adminKey: z.string(),
  demoKey: z.string(),
  dataDir: z.string(),
  pid: z.number(),
  providerUrl: z.string(),
  awsUrl: z.string(),
});

export interface RunningGateway extends z.infer<typeof readySchema> {
  admin(
    method: string,
    path: string,
    body?: string,
  ): Promise<{ status: number; json: Record<string, unknown> }>;
  /** A new virtual key of the team's project of the same name. */
  keyOf(team: string): Promise<{ keyId: string; key: string }>;
  get(path: string, key: string): Promise<Record<string, unknown>>;
  stop(signal?: 'SIGINT' | 'SIGKILL'): Promise<void>;
}

/** Synthesized stacks are kept between tests and runs; a change of the sources makes new ones. */
const SYNTH_CACHE = join(tmpdir(), 'tollgate-test-synth');

interface StartOptions {
  readonly policy?: string;
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** `npm start` as a user runs it, on a free port and a folder of its own. */
export async function startGateway({
  policy = 'test/fixtures/e2e-policy.yaml',
  dataDir = mkdtempSync(join(tmpdir(), 'tollgate-e2e-')),
  env = {},
}: StartOptions = {}): Promise<RunningGateway> {
  const args = [
    'local/start.ts',
    '--json',
    '--port',
    '0',
    '--data',
    dataDir,
    '--policy',
    policy,
    '--synth-cache',
    SYNTH_CACHE,
  ];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, OPENAI_API_KEY: '', ...env },
  });
  const state = readySchema.parse(JSON.parse(await firstLine(child)));
  const admin: RunningGateway['admin'] = async (method, path, body) => {
    const response = await fetch(`${state.baseUrl}/admin/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${state.adminKey}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
    });
    return {
      status: response.status,
      json: z.record(z.string(), z.unknown()).parse(await response.json()),
    };
  };
  return {
    ...state,
    admin,
    async keyOf(team) {
      const { json } = await admin(
        'POST',
        '/keys',
        JSON.stringify({ tenantId: 'acme', teamId: team, projectId: team, owner: 'e2e' }),
      );
      return z.object({ keyId: z.string(), key: z.string() }).parse(json);
    },
    async get(path, key) {
      const response = await fetch(`${state.baseUrl}${path}`, {
        headers: { authorization: `Bearer ${key}` },
      });
      return z.record(z.string(), z.unknown()).parse(await response.json());
    },
    async stop(signal = 'SIGINT') {
      if (child.exitCode !== null) return;
      child.kill(signal);
      await once(child, 'exit');
    },
  };
}

async function firstLine(child: ChildProcess): Promise<string> {
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('no pipes');
  let errors = '';
  stderr.on('data', (chunk) => {
    errors += String(chunk);
  });
  const lines = createInterface({ input: stdout });
  const line = await Promise.race([once(lines, 'line'), once(child, 'exit')]);
  if (typeof line[0] !== 'string') throw new Error(`the gateway did not start: ${errors}`);
  return line[0];
}

/** Waits until the check passes; the last failure is thrown when the time is up. */
export async function eventually<T>(check: () => Promise<T> | T, timeoutMs = 20_000): Promise<T> {
  const untilMs = Date.now() + timeoutMs;
  while (true) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
