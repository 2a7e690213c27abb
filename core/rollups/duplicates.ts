/**
 * Copies that producers put: a put that timed out and came again, an event that went through the spill queue as well.
 * The first record of a request counts and later ones do not. The same record delivered once more is no copy: it
 * is counted again here, and the marks of the store (core/rollups/apply-batch.ts) keep it out.
 */
import type { StreamEvent } from './fold.ts';

/** Some 10 MB; at 1,000 records a second, which is all a shard takes, the last 50 seconds. */
const MAX_REMEMBERED = 50_000;

export interface DuplicateFilter {
  /** The events of one shard without copies of what was seen before, in this batch or an earlier one. */
  firstOnly(shard: string, events: readonly StreamEvent[]): readonly StreamEvent[];
}

export function createDuplicateFilter(maxRemembered = MAX_REMEMBERED): DuplicateFilter {
  /** Request, by shard -> sequence number of its first record. The two generations are forgotten in turns. */
  let recent = new Map<string, string>();
  let older = new Map<string, string>();
  return {
    firstOnly: (shard, events) =>
      events.filter(({ event, sequence }) => {
        const key = `${shard} ${event.request_id}`;
        const first = recent.get(key) ?? older.get(key);
        if (first !== undefined) return sequence <= first;
        if (recent.size * 2 >= maxRemembered) {
          older = recent;
          recent = new Map();
        }
        recent.set(key, sequence);
        return true;
      }),
  };
}
