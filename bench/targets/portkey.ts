/**
 * Portkey's gateway, the best known one on npm: the same streams through it, without keys, limits or books. It is
 * not a dependency: a fixed version is installed into a folder of its own when it is asked for, without install scripts.
 */
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { transformSync } from 'esbuild';
import * as z from 'zod';
import { descendantsOf } from '../process-usage.ts';
import type { Start, Started } from './target.ts';

const PACKAGE = '@portkey-ai/gateway@1.15.2';
/** What its image runs it with: `FROM node:20-alpine`. Here the same version from npm. */
const IMAGE_NODE = `node-${process.platform}-${process.arch}`;
const IMAGE_NODE_VERSION = '20.20.2';
const FOLDER = join(tmpdir(), 'tollgate-bench-peers', 'portkey-1.15.2');
const INSTALL_TIMEOUT_MS = 300_000;
const START_TIMEOUT_MS = 30_000;
const messageSchema = z.object({ port: z.number() });

export const portkey: Start = (places) => start(places, process.execPath);

export const portkeyImage: Start = async (places) => {
  await installed(join(IMAGE_NODE, 'bin', 'node'), `${IMAGE_NODE}@${IMAGE_NODE_VERSION}`);
  return start(places, join(FOLDER, 'node_modules', IMAGE_NODE, 'bin', 'node'));
};

async function start({ providerUrl }: { providerUrl: string }, node: string): Promise<Started> {
  const server = await installed('@portkey-ai/gateway/build/start-server.js', PACKAGE);
  const child = fork(server, ['--port=0', '--headless'], {
    execPath: node,
    execArgv: ['--import', preload()],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  try {
    const signal = AbortSignal.timeout(START_TIMEOUT_MS);
    const [message] = await once(child, 'message', { signal });
    const { port } = messageSchema.parse(message);
    const pid = child.pid ?? 0;
    const headers = {
      authorization: 'Bearer any',
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `${providerUrl}/v1`,
    };
    const endpoint = { url: `http://127.0.0.1:${port}`, headers };
    return { endpoint, pids: () => [pid, ...descendantsOf(pid)], stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Without its types, which Node 20 does not take. */
function preload(): string {
  const source = readFileSync(new URL(import.meta.resolve('./portkey-preload.ts')), 'utf8');
  const file = join(FOLDER, 'preload.mjs');
  writeFileSync(file, transformSync(source, { loader: 'ts' }).code);
  return file;
}

async function installed(path: string, name: string): Promise<string> {
  const file = join(FOLDER, 'node_modules', path);
  if (existsSync(file)) return file;
  const quiet = ['--no-audit', '--no-fund'];
  const args = ['install', '--prefix', FOLDER, '--ignore-scripts', ...quiet, name];
  await promisify(execFile)('npm', args, { timeout: INSTALL_TIMEOUT_MS });
  return file;
}
