/** What a fresh process pays before its first request: the size of the proxy's bundle and the time to load it. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProxyBundle } from './proxy-bundle.ts';
import { type Summary, summarize } from './statistics.ts';

export interface ColdStart {
  readonly bytes: number;
  readonly gzipBytes: number;
  readonly loadMs: Summary;
  /** Of a module that holds nothing: what the measurement itself costs. */
  readonly emptyLoadMs: Summary;
}

const LOADER = fileURLToPath(import.meta.resolve('./module-load.ts'));
const LOAD_TIMEOUT_MS = 20_000;

/** So many fresh processes for each of the two, taking turns. */
export function measureColdStart(
  bundle: ProxyBundle,
  { processes, dataDir }: { processes: number; dataDir: string },
): ColdStart {
  const empty = join(dataDir, 'empty.mjs');
  writeFileSync(empty, 'export const handler = async () => {};\n');
  const times = Array.from({ length: processes }, () => ({
    bundle: loadMs(bundle.file, bundle.env),
    empty: loadMs(empty, bundle.env),
  }));
  const loaded = summarize(times.map((time) => time.bundle));
  const emptyLoaded = summarize(times.map((time) => time.empty));
  if (loaded === undefined || emptyLoaded === undefined) throw new Error('nothing was loaded');
  const { bytes, gzipBytes } = bundle;
  return { bytes, gzipBytes, loadMs: loaded, emptyLoadMs: emptyLoaded };
}

function loadMs(file: string, env: ProxyBundle['env']): number {
  const { status, stdout, stderr } = spawnSync(process.execPath, [LOADER, file], {
    env: { ...env, AWS_REGION: 'us-east-1', PATH: process.env['PATH'] },
    encoding: 'utf8',
    timeout: LOAD_TIMEOUT_MS,
  });
  const time = Number(stdout);
  if (status !== 0 || !(time > 0)) throw new Error(`${file} did not load: ${stderr}`);
  return time;
}
