/** Events of one shard into additions, one for each subject and window, however many events there are. */
import type { EpochMs } from '../clock.ts';
import type { UsageEvent } from '../usage/event.ts';
import { addInto, amountsOfEvent, type Rollup } from './amounts.ts';
import { type Subject, subjectKey, subjectsOf } from './subjects.ts';
import {
  GRANULARITY_NAMES,
  type Granularity,
  momentOfEvent,
  windowExpiry,
  windowStart,
} from './windows.ts';

/** An event as the stream had it. */
export interface StreamEvent {
  readonly event: UsageEvent;
  /** Of one length within a shard, so that texts sort as numbers. */
  readonly sequence: string;
  readonly arrivedAtMs: EpochMs;
}

export interface WindowKey {
  readonly subject: Subject;
  readonly granularity: Granularity;
  readonly startMs: EpochMs;
}

/** What a batch adds to one window of one subject. */
export interface Addition extends WindowKey {
  /** Of the first and the last event that it is made of. */
  readonly first: string;
  readonly last: string;
  readonly amounts: Rollup;
}

/** Names the feature under which an event is kept; undefined where it has none. */
export type FeatureOf = (event: UsageEvent) => string | undefined;

/** By granularity, begin and subject. Windows that the store has forgotten when the event arrives are not made again. */
export function foldEvents(
  events: readonly StreamEvent[],
  featureOf: FeatureOf,
): ReadonlyMap<string, Addition> {
  const additions = new Map<string, MutableAddition>();
  for (const { event, sequence, arrivedAtMs } of events) {
    const amounts = amountsOfEvent(event);
    const atMs = momentOfEvent(event.event_time_ms, arrivedAtMs);
    const subjects = subjectsOf(event, featureOf(event)).map(
      (subject) => [subject, subjectKey(subject)] as const,
    );
    for (const granularity of GRANULARITY_NAMES) {
      const startMs = windowStart(granularity, atMs);
      if (windowExpiry(granularity, startMs) * 1000 <= arrivedAtMs) continue;
      for (const [subject, name] of subjects) {
        const key = `${granularity} ${startMs} ${name}`;
        let addition = additions.get(key);
        if (addition === undefined) {
          addition = {
            subject,
            granularity,
            startMs,
            first: sequence,
            last: sequence,
            amounts: {},
          };
          additions.set(key, addition);
        }
        addition.last = sequence;
        addInto(addition.amounts, amounts);
      }
    }
  }
  return additions;
}

interface MutableAddition extends Addition {
  last: string;
  readonly amounts: Record<string, number>;
}
