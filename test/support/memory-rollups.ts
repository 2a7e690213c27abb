/** The rollups table in memory: usage events added up as the monitor does it. */
import { foldEvents } from '../../core/rollups/fold.ts';
import type { RollupRange } from '../../core/rollups/rollup-reader.ts';
import { collectionOf, featureName, memberOf, type Subject } from '../../core/rollups/subjects.ts';
import type { UsageEvent } from '../../core/usage/event.ts';

export function rollupsOf(events: readonly UsageEvent[]) {
  const stream = events.map((event, index) => ({
    event,
    sequence: String(index).padStart(56, '0'),
    arrivedAtMs: event.event_time_ms,
  }));
  const additions = foldEvents(stream, ({ feature }) =>
    feature === null ? undefined : featureName(feature),
  );
  const asked: string[] = [];
  return {
    /** The collections that were read. */
    asked,
    async readCollection(subject: Subject, { granularity, fromMs, toMs }: RollupRange) {
      const collection = collectionOf(subject);
      asked.push(collection);
      return [...additions.values()]
        .filter(
          (each) => each.granularity === granularity && collectionOf(each.subject) === collection,
        )
        .filter(({ startMs }) => startMs >= fromMs && startMs <= toMs)
        .toSorted((a, b) => a.startMs - b.startMs)
        .map(({ subject: of, startMs, amounts }) => ({
          member: memberOf(of),
          startMs,
          rollup: amounts,
        }));
    },
  };
}
