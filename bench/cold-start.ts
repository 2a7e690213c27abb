/** What a fresh process pays before its first request: the size of the proxy's bundle and the time to load it. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as z from 'zod';
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
}

const LOADER = fileURLToPath(import.meta.resolve('./module-load.ts'));
const LOAD_TIMEOUT_MS = 20_000;
const run = promisify(execFile);

/** So many fresh processes for each of the two, taking turns. The bundle asks a table for its policy while it starts. */
export async function measureColdStart(
  bundle: ProxyBundle,
  { processes, dataDir }: { processes: number; dataDir: string },
): Promise<ColdStart> {
  const empty = join(dataDir, 'empty.mjs');
  writeFileSync(empty, 'export const handler = async () => {};\n');
  const table = await startEmptyTable();
  const env = { ...bundle.env, AWS_ENDPOINT_URL_DYNAMODB: table.url };
  const times: { bundle: LoadTimes; empty: LoadTimes }[] = [];
  for (let count = 0; count < processes; count += 1)
    times.push({ bundle: await timesOf(bundle.file, env), empty: await timesOf(empty, env) });
  table.close();
  const loaded = summarize(times.map((time) => time.bundle.loadMs));
  const asked = summarize(times.map((time) => time.bundle.askedMs));
  const emptyLoaded = summarize(times.map((time) => time.empty.loadMs));
  if (loaded === undefined || asked === undefined || emptyLoaded === undefined)
    throw new Error('nothing was loaded');
  const { bytes, eagerBytes, eagerGzipBytes } = bundle;
  const loads = { loadMs: loaded, askedMs: asked, emptyLoadMs: emptyLoaded };
  return { bytes, eagerBytes, eagerGzipBytes, ...loads };
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
