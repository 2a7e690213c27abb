import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';

const PROJECT = resolve(import.meta.dirname, '../..');
const SYNTH_CACHE = join(PROJECT, 'node_modules/.cache/tollgate-synth');
const readySchema = z.object({
  baseUrl: z.string(),
  adminKey: z.string(),
  demoKey: z.string(),
  dataDir: z.string(),
  pid: z.number(),
});
type Ready = z.infer<typeof readySchema>;

let dataDir: string;
const running = new Set<ChildProcess>();
beforeAll(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'tollgate-start-'));
});
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

function launch(args: readonly string[] = []): ChildProcess {
  const all = [
    'local/start.ts',
    '--json',
    '--port',
    '0',
    '--data',
    dataDir,
    '--synth-cache',
    SYNTH_CACHE,
    ...args,
  ];
  const child = spawn(process.execPath, all, { cwd: PROJECT, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

async function ready(child: ChildProcess): Promise<Ready> {
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('no pipes');
  const failure = text(stderr);
  const [line] = await Promise.race([
    once(createInterface(stdout), 'line'),
    once(child, 'exit').then(async () => Promise.reject(new Error(await failure))),
  ]);
  return readySchema.parse(JSON.parse(String(line)));
}

async function refused(child: ChildProcess): Promise<{ code: unknown; message: string }> {
  const message = child.stderr === null ? '' : text(child.stderr);
  const [code] = await once(child, 'exit');
  return { code, message: await message };
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<unknown> {
  const exited = once(child, 'exit');
  child.kill(signal);
  return (await exited)[0];
}

/** The processes that this one has started, and theirs. */
function descendants(root: number): number[] {
  const pairs = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const childrenOf = (pid: number): number[] =>
    pairs
      .filter(([, parent]) => parent === pid)
      .flatMap(([child = 0]) => [child, ...childrenOf(child)]);
  return childrenOf(root);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function answer({ baseUrl, demoKey }: Ready): Promise<Response> {
  return fetch(`${baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${demoKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: 'Hello' }] }),
  });
}

function models({ baseUrl, demoKey }: Ready): Promise<Response> {
  return fetch(`${baseUrl}/v1/models`, { headers: { authorization: `Bearer ${demoKey}` } });
}

async function athena(
  args: readonly string[],
): Promise<{ code: unknown; out: string; err: string }> {
  const child = spawn(process.execPath, ['local/athena-cli.ts', ...args, '--data', dataDir], {
    cwd: PROJECT,
  });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { code, out, err };
}

it('says so when nothing runs on the data folder', async () => {
  const { code, err } = await athena(['spend-by-team']);
  expect([code, err]).toEqual([1, expect.stringContaining('npm start')]);
});

describe('npm start', { timeout: 60_000 }, () => {
  let child: ChildProcess;
  let first: Ready;
  beforeAll(async () => {
    child = launch();
    first = await ready(child);
  }, 60_000);
  afterEach(async () => {
    for (const each of running) if (each !== child) await stop(each, 'SIGKILL');
  });
  afterAll(async () => {
    for (const each of running) await stop(each, 'SIGKILL');
  });

  it('serves the demo key and says its own process id', async () => {
    expect((await models(first)).status).toBe(200);
    expect(first).toMatchObject({ pid: child.pid, dataDir });
    expect((await models({ ...first, demoKey: 'tg_wrong' })).status).toBe(401);
  });

  it('lists the named queries and answers one', async () => {
    expect((await athena([])).out).toContain('spend-by-team');
    const answer = await athena(['spend-by-team', '--json']);
    expect([answer.code, JSON.parse(answer.out)]).toEqual([0, expect.any(Array)]);
    expect((await athena(['no-such-query'])).err).toContain('spend-by-team');
  });

  it('refuses a second start on the same data, and leaves the first alone', async () => {
    const { code, message } = await refused(launch());
    expect([code, message]).toEqual([
      1,
      expect.stringContaining(`in use by the process ${first.pid}`),
    ]);
    expect((await models(first)).status).toBe(200);
  });

  it('refuses a port in use, and options that it does not know', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = String(typeof address === 'object' ? address?.port : 0);
    const busy = await refused(launch(['--port', port]));
    server.close();
    expect([busy.code, busy.message]).toEqual([
      1,
      expect.stringContaining(`port ${port} is in use`),
    ]);
    const unknown = await refused(launch(['--prot', '1']));
    expect([unknown.code, unknown.message]).toEqual([
      2,
      expect.stringContaining('--port <number>'),
    ]);
  });

  it('leaves no process after kill -9, and a restart finds its data', async () => {
    const started = descendants(first.pid);
    expect(started.length).toBeGreaterThan(2);
    await stop(child, 'SIGKILL');
    await expect.poll(() => started.filter(isAlive), { timeout: 5_000 }).toEqual([]);

    child = launch();
    const second = await ready(child);
    expect(second).toMatchObject({ demoKey: first.demoKey, adminKey: first.adminKey });
    expect((await models(second)).status).toBe(200);
    // The simulated provider has another address now, which the first call has to know.
    expect((await answer(second)).status).toBe(200);
    first = second;
  });

  it('leaves no process and no lock after Ctrl-C, sent twice as npm does', async () => {
    const started = descendants(first.pid);
    child.kill('SIGINT');
    expect(await stop(child, 'SIGINT')).toBe(0);
    expect(started.filter(isAlive)).toEqual([]);
    expect(existsSync(join(dataDir, 'lock'))).toBe(false);
  });

  it('keeps the policy in force when the new file is broken', async () => {
    const policy = join(dataDir, 'broken.yaml');
    const example = readFileSync(join(PROJECT, 'examples/policy.yaml'), 'utf8');
    writeFileSync(policy, example.replace('time_zone:', 'time_zoone:'));
    child = launch(['--policy', policy]);
    const complaint = child.stderr === null ? '' : text(child.stderr);
    const third = await ready(child);
    expect((await models(third)).status).toBe(200);
    await stop(child, 'SIGTERM');
    expect(await complaint).toContain('time_zoone');
  });
});
