import { expect, it } from 'vitest';
import { proveLedger } from './prove.ts';

it.each([1, 2])(
  'books every request once, to the token and the nano-dollar, whatever its event goes through (seed %i)',
  async (seed) => {
    const proof = await proveLedger({ seed, requests: 1_000, runEveryMs: 3 * 3_600_000 });
    expect(proof.differences).toEqual({
      requestsMissing: 0,
      requestsTwice: 0,
      tokens: 0,
      nanoUsd: 0,
      wrongRequests: 0,
      wrongGroups: 0,
      closedMonthNanoUsd: 0,
    });
    expect(proof.delivered).toBeGreaterThan(2_500);
    expect(proof.corrections).toBeGreaterThan(0);
    expect(proof.bookedAfterClose).toBeGreaterThan(0);
    for (const count of Object.values(proof.counts)) expect(count).toBeGreaterThan(0);
  },
);
