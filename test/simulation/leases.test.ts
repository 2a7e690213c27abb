import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';

/** `npm run simulate -- --workers 1 --callers 120 --operations 600 --seeds 300` has more time. */
const SEEDS = 40;
const SIZE = ['--workers', '1', '--callers', '120', '--operations', '600'];

const reportSchema = z.object({
  counts: z.record(z.string(), z.number()),
  violations: z.array(z.unknown()),
});

describe('the simulation of a worker with leases', () => {
  it(`breaks no invariant in ${SEEDS} histories`, { timeout: 300_000 }, async () => {
    const args = ['scripts/simulate.ts', '--json', '--seeds', String(SEEDS), ...SIZE];
    const { stdout } = await promisify(execFile)(process.execPath, args).catch(
      // Violations end the command with 1, and its report says which.
      (fault: unknown) => z.object({ stdout: z.string().check(z.minLength(1)) }).parse(fault),
    );
    const { counts, violations } = reportSchema.parse(JSON.parse(stdout));
    console.log('histories with leases', counts);
    expect(violations).toEqual([]);
    expect(counts).toMatchObject({ overspent: 0, phantomDenials: 0, strayCharged: 0 });
    for (const name of ['leased', 'refused', 'crashed', 'posted'])
      expect(counts[name], name).toBeGreaterThan(5 * SEEDS);
    expect(counts['ridden']).toBeGreaterThan(2 * SEEDS);
  });
});
