/**
 * Portkey's gateway, the best known one on npm: the same streams through it, without keys, limits or books. It is
 * not a dependency: a fixed version is installed into a folder of its own when it is asked for, without install scripts.
 */
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { descendantsOf } from '../process-usage.ts';
import type { Start } from './target.ts';

const PACKAGE = '@portkey-ai/gateway@1.15.2';
const FOLDER = join(tmpdir(), 'tollgate-bench-peers', 'portkey-1.15.2');
const INSTALL_TIMEOUT_MS = 300_000;
const START_TIMEOUT_MS = 30_000;
const messageSchema = z.object({ port: z.number() });

export const portkey: Start = async ({ providerUrl }) => {
  const server = await installed();
  const child = fork(server, ['--port=0', '--headless'], {
    execArgv: ['--import', import.meta.resolve('./portkey-preload.ts')],
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
};

async function installed(): Promise<string> {
  const server = join(FOLDER, 'node_modules/@portkey-ai/gateway/build/start-server.js');
  if (existsSync(server)) return server;
  const quiet = ['--no-audit', '--no-fund', '--no-save'];
  const args = ['install', '--prefix', FOLDER, '--ignore-scripts', ...quiet, PACKAGE];
  await promisify(execFile)('npm', args, { timeout: INSTALL_TIMEOUT_MS });
  return server;
}
