import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadClient, Question } from '../load-client.ts';

/** The books of the last call are closed behind its last byte, and are not those of the load. */
const BOOKS_MS = 200;

/**
 * The same calls at the same pace before a load counts. A target is silent while the others have their turns, and what its first call then
 * pays (connections dialled anew, code that V8 threw away, a full collection) would be the p99 of a load that is under way. So it
 * is a figure of its own, and this is it: the milliseconds that were added to the first token of the first call.
 */
export async function endSilence(
  client: Pick<LoadClient, 'paced'>,
  question: Question,
  { perSecond, forMs }: { perSecond: number; forMs: number },
): Promise<number> {
  const calls = Math.ceil((perSecond * forMs) / 1_000);
  const [first] = await client.paced(question, { perSecond, calls });
  await sleep(BOOKS_MS);
  return first?.overMs ?? Number.NaN;
}
