/** Synthesizes the stage, unless an assembly made from the very same inputs is kept already. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { join, resolve } from 'node:path';

const INPUTS = [
  'bin',
  'lib',
  'core',
  'lambdas',
  'config',
  'package-lock.json',
  'cdk.json',
  'tsconfig.json',
];
const KEPT_ASSEMBLIES = 4;
const SHOWN_OUTPUT_CHARACTERS = 4_000;

export interface SynthOptions {
  readonly projectDir: string;
  readonly stage: string;
  /** Assemblies by the hash of their inputs; may be shared between data folders. */
  readonly cacheDir: string;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** The folder of the cloud assembly, which is absolute: functions start in folders of their own. */
export async function synthesize(options: SynthOptions): Promise<string> {
  const { cacheDir, log } = options;
  const assembly = resolve(cacheDir, inputsHash(options));
  if (!existsSync(assembly)) {
    log('Synthesizing the stacks ...');
    const startedAtMs = Date.now();
    await runSynth(options, assembly);
    log(`Synthesized in ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s.`);
  }
  const now = new Date();
  utimesSync(assembly, now, now);
  dropOldest(cacheDir);
  return assembly;
}

async function runSynth(options: SynthOptions, assembly: string): Promise<void> {
  mkdirSync(options.cacheDir, { recursive: true });
  const unfinished = `${assembly}.${process.pid}`;
  const logFile = `${unfinished}.log`;
  const output = openSync(logFile, 'w');
  const child = spawn(process.execPath, ['bin/tollgate.ts'], {
    cwd: options.projectDir,
    env: {
      ...process.env,
      CDK_OUTDIR: unfinished,
      TOLLGATE_STAGE: options.stage,
      TOLLGATE_NAG: 'off',
    },
    stdio: ['ignore', output, output],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  closeSync(output);
  try {
    const [code] = await once(child, 'exit');
    if (code !== 0)
      throw new Error(
        `synth failed:\n${readFileSync(logFile, 'utf8').slice(-SHOWN_OUTPUT_CHARACTERS)}`,
      );
    // Another process may have finished the same assembly first; then its copy serves.
    if (!existsSync(assembly)) renameSync(unfinished, assembly);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
    rmSync(logFile, { force: true });
  }
}

function inputsHash({ projectDir, stage }: SynthOptions): string {
  const hash = createHash('sha256').update(`stage ${stage}\n`);
  for (const input of INPUTS) {
    for (const file of filesUnder(projectDir, input)) {
      hash.update(`${file}\n`).update(
        createHash('sha256')
          .update(readFileSync(join(projectDir, file)))
          .digest(),
      );
    }
  }
  return hash.digest('hex').slice(0, 32);
}

function filesUnder(root: string, path: string): string[] {
  const stats = statSync(join(root, path), { throwIfNoEntry: false });
  if (stats === undefined) return [];
  if (!stats.isDirectory()) return [path];
  return readdirSync(join(root, path))
    .sort()
    .flatMap((name) => filesUnder(root, join(path, name)));
}

function dropOldest(cacheDir: string): void {
  const folders = readdirSync(cacheDir)
    .filter((name) => /^[0-9a-f]{32}$/.test(name))
    .map((name) => ({
      path: join(cacheDir, name),
      usedAtMs: statSync(join(cacheDir, name)).mtimeMs,
    }))
    .sort((a, b) => b.usedAtMs - a.usedAtMs);
  for (const { path } of folders.slice(KEPT_ASSEMBLIES))
    rmSync(path, { recursive: true, force: true });
}
