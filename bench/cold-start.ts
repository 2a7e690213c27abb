/** What a fresh process pays before its first request: the size of the proxy's bundle and the time to load it. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as z from 'zod';
import { fullStack } from './full-stack.ts';
import type { ProxyBundle } from './proxy-bundle.ts';
import { type Summary, summarize } from './statistics.ts';

export interface ColdStart {
  readonly bytes: number;
  readonly eagerBytes: number;
  readonly eagerGzipBytes: number;
  readonly loadMs: Summary;
  /** Of that, until the policy is asked for: the rest is a round trip, which a first call would have to make. */
  readonly askedMs: Summary;
  /** Of a module that holds nothing: what the measurement itself costs. */
  readonly emptyLoadMs: Summary;
  /** Of what a gateway usually begins with (bench/full-stack.ts). */
  readonly fullStackBytes: number;
  readonly fullStackLoadMs: Summary;
}

const LOADER = fileURLToPath(import.meta.resolve('./module-load.ts'));
const LOAD_TIMEOUT_MS = 20_000;
const run = promisify(execFile);

/** So many fresh processes for each of the three, taking turns. The bundle asks a table for its policy while it starts. */
export async function measureColdStart(
  bundle: ProxyBundle,
  { processes, dataDir }: { processes: number; dataDir: string },
): Promise<ColdStart> {
  const empty = join(dataDir, 'empty.mjs');
  writeFileSync(empty, 'export const handler = async () => {};\n');
  const reference = await fullStack(dataDir);
  const table = await startEmptyTable();
  const env = { ...bundle.env, AWS_ENDPOINT_URL_DYNAMODB: table.url };
  const times: { bundle: LoadTimes; empty: LoadTimes; reference: LoadTimes }[] = [];
  for (let count = 0; count < processes; count += 1)
    times.push({
      bundle: await timesOf(bundle.file, env),
      empty: await timesOf(empty, env),
      reference: await timesOf(reference.file, env),
    });
  table.close();
  const summaryOf = (which: keyof (typeof times)[number], time: keyof LoadTimes) => {
    const summary = summarize(times.map((each) => each[which][time]));
    if (summary === undefined) throw new Error('nothing was loaded');
    return summary;
  };
  return {
    bytes: bundle.bytes,
    eagerBytes: bundle.eagerBytes,
    eagerGzipBytes: bundle.eagerGzipBytes,
    loadMs: summaryOf('bundle', 'loadMs'),
    askedMs: summaryOf('bundle', 'askedMs'),
    emptyLoadMs: summaryOf('empty', 'loadMs'),
    fullStackBytes: reference.bytes,
    fullStackLoadMs: summaryOf('reference', 'loadMs'),
  };
}

/** A table without items, which answers at once. */
async function startEmptyTable(): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    request.resume().once('end', () => response.end('{}'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${address.port}`, close };
}

const timesSchema = z.object({ loadMs: z.number(), askedMs: z.number() });
type LoadTimes = z.infer<typeof timesSchema>;

async function timesOf(file: string, env: Readonly<Record<string, string>>): Promise<LoadTimes> {
  const role = { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' };
  const { stdout } = await run(process.execPath, [LOADER, file], {
    env: { ...env, ...role, PATH: process.env['PATH'] },
    timeout: LOAD_TIMEOUT_MS,
  });
  return timesSchema.parse(JSON.parse(stdout));
}
