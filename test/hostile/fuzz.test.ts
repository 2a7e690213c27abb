import { expect, it } from 'vitest';
import { runFuzz } from './fuzz/run-fuzz.ts';

it('thousands of bodies that are almost right give no fault, no hang and no leak', async () => {
  const { failures, slowestMs, statuses } = await runFuzz({ seed: 1, bodies: 4_000 });
  expect(failures).toEqual([]);
  expect(slowestMs).toBeLessThan(5_000);
  // Bodies that are all refused at the door would test nothing behind it.
  expect(statuses[200]).toBeGreaterThan(400);
  expect(statuses[400]).toBeGreaterThan(400);
});
