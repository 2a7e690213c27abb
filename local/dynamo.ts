/**
 * The DynamoDB engine, the best that this machine offers: an endpoint given in the environment, the dynoxide binary of the
 * dependencies or of PATH, or dynalite, which is JavaScript only and says what it lacks.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { createServer, Server } from 'node:http';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 5_000;
const START_ATTEMPTS = 3;

/** Ends the engine when standard input ends, which it does however this process dies; and ends with the engine. */
const GUARD = `exec 3<&0
"$0" "$@" </dev/null 3<&- &
engine=$!
(read -r _ <&3; kill "$engine" 2>/dev/null) &
wait "$engine"`;

export interface Dynamo {
  readonly url: string;
  readonly engine: string;
  close(): Promise<void>;
}

export interface DynamoOptions {
  readonly dataDir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
}

export async function startDynamo({ dataDir, env, log }: DynamoOptions): Promise<Dynamo> {
  const given = env['AWS_ENDPOINT_URL_DYNAMODB'];
  if (given !== undefined && given !== '')
    return { url: given, engine: given, close: async () => {} };
  mkdirSync(dataDir, { recursive: true });
  const binary = bundledBinary() ?? onPath(env['PATH'] ?? '');
  if (binary !== undefined) return startDynoxide(binary, join(dataDir, 'dynamodb.sqlite'));
  log(
    'DynamoDB is dynalite: no transactions, no time to live, and a refused condition does not return the old item.',
  );
  log('Install the dynoxide binary for the real behaviour.');
  return startDynalite(join(dataDir, 'dynalite'));
}

async function startDynoxide(binary: string, dbPath: string): Promise<Dynamo> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const args = ['serve', '--host', '127.0.0.1', '--port', String(port), '--db-path', dbPath];
    const guard = spawn('/bin/sh', ['-c', GUARD, binary, ...args], {
      stdio: ['pipe', 'ignore', 'pipe'],
      detached: true,
    });
    let output = '';
    guard.stderr.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-2_000);
    });
    const url = `http://127.0.0.1:${port}`;
    if (await isUp(url, guard)) return { url, engine: 'dynoxide', close: () => stopGuard(guard) };
    await stopGuard(guard);
    // The free port may have been taken in between.
    if (attempt === START_ATTEMPTS) throw new Error(`dynoxide did not start: ${output.trim()}`);
  }
}

async function startDynalite(path: string): Promise<Dynamo> {
  mkdirSync(path, { recursive: true });
  const create: unknown = createRequire(import.meta.url)('dynalite');
  if (typeof create !== 'function') throw new Error('dynalite is not installed');
  const server: unknown = create({ path, createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
  if (!(server instanceof Server)) throw new Error('dynalite did not give a server');
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    engine: 'dynalite',
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function bundledBinary(): string | undefined {
  try {
    const manifest = createRequire(import.meta.url).resolve(
      `@dynoxide/${process.platform}-${process.arch}/package.json`,
    );
    return join(dirname(manifest), process.platform === 'win32' ? 'dynoxide.exe' : 'dynoxide');
  } catch {
    // Not published for this platform, or not installed.
    return undefined;
  }
}

function onPath(path: string): string | undefined {
  return path
    .split(delimiter)
    .map((folder) => join(folder, 'dynoxide'))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

async function isUp(url: string, process: ChildProcess): Promise<boolean> {
  const deadlineMs = Date.now() + START_TIMEOUT_MS;
  while (process.exitCode === null && Date.now() < deadlineMs) {
    try {
      await fetch(url, { signal: AbortSignal.timeout(1_000) }).then((response) =>
        response.body?.cancel(),
      );
      return true;
    } catch {
      await sleep(10);
    }
  }
  return false;
}

async function stopGuard(guard: ChildProcess): Promise<void> {
  if (guard.exitCode !== null || guard.signalCode !== null) return;
  const exited = once(guard, 'exit');
  guard.stdin?.end();
  const timer = setTimeout(() => guard.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}
