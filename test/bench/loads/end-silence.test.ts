import { describe, expect, it } from 'vitest';
import type { CallTimes, LoadClient } from '../../../bench/load-client.ts';
import { endSilence } from '../../../bench/loads/end-silence.ts';
import { MODELS } from '../../../bench/models.ts';

const QUESTION = { model: MODELS.paced };
const times = (overMs: number): CallTimes => ({
  ...{ overMs, transitsMs: [], merged: 0, sentAtUs: 0, askedAtUs: 0 },
});

/** A target whose first call takes 70 ms and every other one a millisecond. */
function silentUntilNow() {
  const asked: number[] = [];
  const client: Pick<LoadClient, 'paced'> = {
    async paced(_question, { calls }) {
      asked.push(calls);
      return Array.from({ length: calls }, (_, index) => times(index === 0 ? 70 : 1));
    },
  };
  return { asked, client };
}

describe('the calls before a load', () => {
  it('come at its pace, and the first one of them is told', async () => {
    const { asked, client } = silentUntilNow();
    expect(await endSilence(client, QUESTION, { perSecond: 20, forMs: 1_000 })).toBe(70);
    expect(asked).toEqual([20]);
  });

  it('are one at least', async () => {
    const { asked, client } = silentUntilNow();
    await endSilence(client, QUESTION, { perSecond: 5, forMs: 1 });
    expect(asked).toEqual([1]);
  });
});
