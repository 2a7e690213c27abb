/**
 * Adds a batch to the store exactly once, whatever is delivered again. Each window has a mark for each shard: the sequence
 * number up to which the shard's records are in its sums. An addition and its mark are one conditional write, so
 *
 *   delivered again whole       the mark is past the addition: nothing to do
 *   delivered again in part,    the mark is inside the addition: only the records after it are folded once more
 *   or together with new ones
 *   written by a time-out       the same
 *   an old invocation, late     its first record is not after the mark: refused
 *
 * Records of a shard arrive in order and one batch at a time; the event source must not be given a parallelization factor.
 */
import { type Addition, type FeatureOf, foldEvents, type StreamEvent } from './fold.ts';

export interface RollupSink {
  /** Adds if the window's mark of the shard is absent or before the addition's first record; else gives the mark. */
  add(shard: string, addition: Addition): Promise<AddResult>;
}

type AddResult = { readonly kind: 'added' } | { readonly kind: 'refused'; readonly mark: string };

export interface Batch {
  readonly shard: string;
  readonly events: readonly StreamEvent[];
  readonly featureOf: FeatureOf;
}

const PARALLEL = 32;
/** Two invocations at most meet on a window; a third round means that something else writes there. */
const MAX_ROUNDS = 5;

/** Gives the additions as they were folded, written now or before. Throws when the store does: the batch comes again. */
export async function applyBatch(sink: RollupSink, batch: Batch): Promise<readonly Addition[]> {
  const additions = foldEvents(batch.events, batch.featureOf);
  const refolded = new Map<string, ReadonlyMap<string, Addition>>();
  const after = (mark: string) => {
    const known = refolded.get(mark);
    if (known !== undefined) return known;
    const later = batch.events.filter(({ sequence }) => sequence > mark);
    const folded = foldEvents(later, batch.featureOf);
    refolded.set(mark, folded);
    return folded;
  };
  const queue = additions.entries();
  const worker = async () => {
    for (const [key, whole] of queue) {
      let addition: Addition | undefined = whole;
      for (let round = 0; addition !== undefined; round += 1) {
        if (round === MAX_ROUNDS)
          throw new Error(`rollup ${key} is written by others all the time`);
        const result = await sink.add(batch.shard, addition);
        addition = result.kind === 'added' ? undefined : after(result.mark).get(key);
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return [...additions.values()];
}
