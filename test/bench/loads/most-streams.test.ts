import { describe, expect, it } from 'vitest';
import { highest } from '../../../bench/loads/most-streams.ts';

/** A target that carries so many streams a second, and what it was asked for. */
function carrying(limit: number) {
  const asked: number[] = [];
  const holds = async (rate: number) => {
    asked.push(rate);
    return rate <= limit;
  };
  return { asked, holds };
}

describe('the most streams that a target carries', () => {
  it.each([25, 60, 333, 900])(
    'comes within 11 %% of %i a second, and never above it',
    async (limit) => {
      const found = await highest(carrying(limit).holds);
      expect(found).toBeLessThanOrEqual(limit);
      expect(found).toBeGreaterThan(limit * 0.89);
    },
  );

  it('is none where the lowest rate is too much', async () => {
    const { asked, holds } = carrying(1);
    expect(await highest(holds)).toBe(0);
    expect(asked.at(-1)).toBeLessThan(25);
  });

  it('ends where the client could not do more', async () => {
    const { asked, holds } = carrying(Infinity);
    expect(await highest(holds)).toBe(asked.at(-1));
    expect(asked.at(-1)).toBeLessThanOrEqual(1_500);
  });
});
