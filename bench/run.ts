/** `npm run bench`: what the gateway adds, measured beside what it stands between. */
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { measureColdStart } from './cold-start.ts';
import { createCpuShare } from './cpu-share.ts';
import { measureHot } from './hot.ts';
import { measure } from './measure.ts';
import { inOwnProcess } from './own-process.ts';
import { writePage } from './page.ts';
import { proxyBundle } from './proxy-bundle.ts';
import { report } from './report.ts';
import { awsClientSchema, estimateSchema, type Results } from './results.ts';
import { startTargets, targetNames } from './targets/targets.ts';

const USAGE = `npm run bench -- [options]
  --rounds <number>  rounds; figures are medians over them (5)
  --quick            one short round: shows that it works, not how fast it is
  --peers            Portkey's gateway as well; installs it into a temporary folder
  --hot              only this: one tenant and one provider at 500 calls a second
  --rate <number>    with --hot: so many calls a second, and twice as many write units of an item (500)
  --json             print everything measured as one JSON document
  --write            put the tables into docs/performance.md
The exit code is 1 when a goal is missed.`;

type FullPlan = Results['plan'];

const FULL: FullPlan = {
  rounds: 5,
  leadInMs: 1_000,
  pacedCalls: 100,
  jsonCalls: 50,
  streamMs: 1_000,
  jsonMs: 700,
  largeCalls: 8,
  shareCalls: 100,
  departures: 5,
  capacityMs: 1_200,
  warmUpMs: 10_000,
  coldStarts: 11,
  clientCalls: 2_000,
};
const QUICK: FullPlan = {
  rounds: 1,
  leadInMs: 100,
  pacedCalls: 10,
  jsonCalls: 15,
  streamMs: 200,
  jsonMs: 150,
  largeCalls: 2,
  shareCalls: 8,
  departures: 1,
  capacityMs: 100,
  warmUpMs: 500,
  coldStarts: 3,
  clientCalls: 200,
};
/** As shells report it. */
const INTERRUPTED = 130;
const SYNTH_CACHE = join(tmpdir(), 'tollgate-bench-synth');

const argsSchema = z.object({
  rounds: z.coerce.number().int().min(1).max(50).optional(),
  quick: z.boolean(),
  peers: z.boolean(),
  hot: z.boolean(),
  rate: z.coerce.number().int().min(200).max(5_000),
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

async function runUntil(signal: AbortSignal, given: Args): Promise<void> {
  const { rounds, quick, json, write } = given;
  if (given.hot) return hot(signal, given);
  const plan = { ...(quick ? QUICK : FULL), ...(rounds === undefined ? {} : { rounds }) };
  const results = await measureAll(plan, signal, given);
  const { text, missed } = report(results);
  const asJson = () => ({
    ...results,
    rounds: results.rounds.map((round) => Object.fromEntries(round)),
  });
  process.stdout.write(`${json ? JSON.stringify(asJson(), null, 2) : text}\n`);
  if (write) writePage('measured', text);
  if (missed) process.exitCode = 1;
}

async function hot(signal: AbortSignal, { quick, rate, write }: Args): Promise<void> {
  const { text, missed } = await measureHot({ signal, rate, seconds: quick ? 3 : 20, progress });
  process.stdout.write(`${text}\n`);
  if (write) writePage('hot', text);
  if (missed) process.exitCode = 1;
}

async function measureAll(plan: FullPlan, signal: AbortSignal, { peers }: Args): Promise<Results> {
  const takenAt = new Date();
  const [loadBefore = 0] = loadavg();
  const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-bench-'));
  const cpuShare = createCpuShare();
  if (cpuShare === undefined) progress('CPU shares cannot be set here and are not measured');
  try {
    const bundle = await proxyBundle(SYNTH_CACHE);
    progress('loading the bundle in fresh processes');
    const coldStart = await measureColdStart(bundle, { processes: plan.coldStarts, dataDir });
    progress('comparing the client of AWS with the SDK');
    const size = ['--calls', String(plan.clientCalls), '--rounds', String(plan.rounds)];
    const awsClient = await inOwnProcess('aws-client.ts', awsClientSchema, size);
    progress('counting tokens');
    const estimate = await inOwnProcess('estimate.ts', estimateSchema);
    progress('starting the targets');
    const places = { dataDir, synthCacheDir: SYNTH_CACHE, bundle };
    const only = targetNames({ withPeers: peers });
    const targets = await startTargets({ ...places, only, signal });
    const { all, providerUrl } = targets;
    try {
      const rounds = await measure(all, { plan, providerUrl, cpuShare }, progress);
      const loadAverage = [loadBefore, loadavg()[0] ?? 0] as const;
      return { takenAt, plan, coldStart, awsClient, estimate, rounds, loadAverage };
    } finally {
      await targets.stop();
    }
  } finally {
    cpuShare?.remove();
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

function progress(line: string): void {
  process.stderr.write(`${line} ...\n`);
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
        peers: { type: 'boolean', default: false },
        hot: { type: 'boolean', default: false },
        rate: { type: 'string', default: '500' },
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
