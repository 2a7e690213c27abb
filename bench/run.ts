/** `npm run bench`: what the gateway adds, measured beside what it stands between. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { type ColdStart, measureColdStart } from './cold-start.ts';
import { measure, type Plan, type Round } from './measure.ts';
import { writePage } from './page.ts';
import { proxyBundle } from './proxy-bundle.ts';
import { report } from './report.ts';
import { startTargets } from './targets.ts';

const USAGE = `npm run bench -- [options]
  --rounds <number>  rounds; figures are medians over them (5)
  --quick            one short round: shows that it works, not how fast it is
  --json             print everything measured as one JSON document
  --write            put the tables into docs/performance.md
The exit code is 1 when a goal is missed.`;

const FULL = {
  rounds: 5,
  pacedCalls: 60,
  longCalls: 12,
  burstMs: 1_500,
  warmUpMs: 25_000,
  coldStarts: 11,
};
const QUICK = {
  rounds: 1,
  pacedCalls: 20,
  longCalls: 3,
  burstMs: 400,
  warmUpMs: 1_500,
  coldStarts: 9,
};
/** As shells report it. */
const INTERRUPTED = 130;
const SYNTH_CACHE = join(tmpdir(), 'tollgate-bench-synth');

const argsSchema = z.object({
  rounds: z.coerce.number().int().min(1).max(50).optional(),
  quick: z.boolean(),
  json: z.boolean(),
  write: z.boolean(),
});
type Args = z.infer<typeof argsSchema>;

const args = readArgs();
if (args !== undefined) await run(args);

async function run(given: Args): Promise<void> {
  const signal = stopSignal();
  try {
    await runUntil(signal, given);
  } catch (error) {
    if (!signal.aborted) throw error;
    process.exitCode = INTERRUPTED;
  }
}

async function runUntil(signal: AbortSignal, { rounds, quick, json, write }: Args): Promise<void> {
  const plan = { ...(quick ? QUICK : FULL), ...(rounds === undefined ? {} : { rounds }) };
  const results = { takenAt: new Date(), plan, ...(await measureAll(plan, signal)) };
  const { text, missed } = report(results);
  const asJson = () => ({
    ...results,
    rounds: results.rounds.map((round) => Object.fromEntries(round)),
  });
  process.stdout.write(`${json ? JSON.stringify(asJson(), null, 2) : text}\n`);
  if (write) writePage(text);
  if (missed) process.exitCode = 1;
}

async function measureAll(
  plan: Plan & { readonly coldStarts: number },
  signal: AbortSignal,
): Promise<{ rounds: readonly Round[]; coldStart: ColdStart }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-bench-'));
  const progress = (line: string) => void process.stderr.write(`${line} ...\n`);
  try {
    const bundle = await proxyBundle(SYNTH_CACHE);
    progress('loading the bundle in fresh processes');
    const coldStart = await measureColdStart(bundle, { processes: plan.coldStarts, dataDir });
    progress('starting the targets');
    const places = { dataDir, synthCacheDir: SYNTH_CACHE, proxyCodeDir: bundle.codeDir };
    const targets = await startTargets({ ...places, signal });
    try {
      return { rounds: await measure(targets.all, plan, progress), coldStart };
    } finally {
      await targets.stop();
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** So that nothing that was started outlives this process. */
function stopSignal(): AbortSignal {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => stopping.abort());
  return stopping.signal;
}

function readArgs(): Args | undefined {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
      },
    });
    return argsSchema.parse(values);
  } catch (error) {
    const message = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    process.stderr.write(`${message}\n\n${USAGE}\n`);
    process.exitCode = 2;
    return undefined;
  }
}
