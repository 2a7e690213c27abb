/** `npm start`, whole: the front, the Runtime API, the functions in their environments, every local service. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import { benchPolicy, PROVIDER_KEY_VARIABLE } from '../policy.ts';
import { descendantsOf, workingFolderOf } from '../process-usage.ts';
import { withKey } from './endpoint.ts';
import type { Start } from './target.ts';

const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 15_000;
const readySchema = z.object({ baseUrl: z.string(), demoKey: z.string(), pid: z.number() });

export const localInstance: Start = async ({ bundle, providerUrl, synthCacheDir, ...places }) => {
  if (bundle === undefined) throw new Error('the proxy is not synthesized');
  const dataDir = join(places.dataDir, 'instance');
  const policyFile = join(places.dataDir, 'policy.yaml');
  mkdirSync(places.dataDir, { recursive: true });
  writeFileSync(policyFile, benchPolicy(providerUrl));
  const args = ['--port', '0', '--data', dataDir, '--policy', policyFile];
  const child = spawn(
    process.execPath,
    ['local/start.ts', '--json', ...args, '--synth-cache', synthCacheDir],
    {
      cwd: join(import.meta.dirname, '../..'),
      stdio: ['ignore', 'pipe', 'inherit'],
      // The key makes the policy's provider a real one to this instance; the provider takes any.
      env: { ...process.env, [PROVIDER_KEY_VARIABLE]: 'any' },
    },
  );
  try {
    const { baseUrl, demoKey, pid } = readySchema.parse(JSON.parse(await firstLine(child)));
    return {
      endpoint: { url: baseUrl, headers: withKey(demoKey) },
      pids: () => descendantsOf(pid).filter((each) => workingFolderOf(each) === bundle.codeDir),
      stop: () => stopInstance(child),
    };
  } catch (error) {
    await stopInstance(child);
    throw error;
  }
};

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  if (stdout === null) throw new TypeError('standard output is no pipe');
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  const lines = createInterface({ input: stdout });
  const ended = once(lines, 'close', { signal }).then(() => {
    throw new Error('npm start ended before it was ready');
  });
  const [line] = await Promise.race([once(lines, 'line', { signal }), ended]);
  ended.catch(() => undefined);
  return String(line);
}

async function stopInstance(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}
