import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { runSimulation } from './run.ts';

const SEEDS = 1_000;
/** The tests have a minute or two; `npm run simulate -- --seeds 1 --from 3 --callers 200 --operations 100000` has the time. */
const OPERATIONS = 20_000;
/** What happens often in short histories. */
const EVENTFUL = [
  'answered',
  'refused',
  'crashed',
  'posted',
  'estimated',
  'runaways',
  'unchecked',
  'madeReady',
  'shown',
  'begunAgain',
  'slicesMoved',
  'softLimitsTold',
] as const;
/** About a minute of two quiet cores; they may be anything but quiet. */
const TIMEOUT_MS = 900_000;

const reportSchema = z.object({
  seeds: z.number(),
  operations: z.number(),
  seconds: z.number(),
  counts: z.record(z.string(), z.number()),
  violations: z.array(z.unknown()),
});

/** Both run in processes of their own, so they share the cores. */
describe.concurrent('the simulation of money', () => {
  it(
    `breaks no invariant in ${SEEDS} short histories`,
    async () => {
      const { counts, ...report } = await simulate('--seeds', String(SEEDS));
      console.log('short histories', report, counts);
      expect(report).toMatchObject({ seeds: SEEDS, violations: [] });
      // A world in which nothing happens would prove nothing.
      for (const name of EVENTFUL) expect(counts[name], name).toBeGreaterThan(SEEDS / 10);
    },
    TIMEOUT_MS,
  );

  it(
    `overspends nothing and denies nobody in error over ${OPERATIONS} operations of 200 callers`,
    async () => {
      const one = ['--seeds', '1', '--from', '3', '--callers', '200'];
      const { counts, ...report } = await simulate(...one, '--operations', String(OPERATIONS));
      console.log('long history', report, counts);
      expect(report).toMatchObject({ operations: OPERATIONS, violations: [] });
      expect(counts).toMatchObject({ overspent: 0, phantomDenials: 0, strayCharged: 0 });
      for (const name of ['answered', 'refused'])
        expect(counts[name], name).toBeGreaterThan(OPERATIONS / 10);
    },
    TIMEOUT_MS,
  );

  it('tells the same history for the same seed', async () => {
    const history = async (seed: number) => {
      const lines: string[] = [];
      const trace = (line: string) => void lines.push(line);
      return { lines, result: await runSimulation({ seed, operations: 60, callers: 8, trace }) };
    };
    const first = await history(7);
    expect(await history(7)).toEqual(first);
    expect(await history(8)).not.toEqual(first);
  });
});

/** In processes of their own: a test runner watches every promise, which makes millions of them three times as slow. */
async function simulate(...options: string[]): Promise<z.infer<typeof reportSchema>> {
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [
    'scripts/simulate.ts',
    '--json',
    ...options,
  ]).catch(
    // Violations end the command with 1, and its report says which.
    (fault: unknown) => z.object({ stdout: z.string().check(z.minLength(1)) }).parse(fault),
  );
  return reportSchema.parse(JSON.parse(stdout));
}
