/** The records of a batch as usage events. What cannot be read is reported and passed over: it would fail at every delivery. */
import type { KinesisStreamRecord } from 'aws-lambda';
import type { Report } from '../../core/report.ts';
import type { StreamEvent } from '../../core/rollups/fold.ts';
import { usageEventSchema } from '../../core/usage/event.ts';

export interface ShardEvents {
  readonly shard: string;
  readonly events: readonly StreamEvent[];
}

/** Kinesis writes 56 digits. Shorter ones are filled up, so that texts sort as numbers do. */
const SEQUENCE_DIGITS = 56;

/** Lambda brings records of one shard together, in order. */
export function readRecords(records: readonly KinesisStreamRecord[], report: Report): ShardEvents {
  const [shard = ''] = records[0]?.eventID.split(':') ?? [];
  const events = records.flatMap((record): StreamEvent[] => {
    try {
      const { data, sequenceNumber, approximateArrivalTimestamp } = record.kinesis;
      const event = usageEventSchema.parse(
        JSON.parse(Buffer.from(data, 'base64').toString('utf8')),
      );
      const sequence = sequenceNumber.padStart(SEQUENCE_DIGITS, '0');
      return [{ event, sequence, arrivedAtMs: Math.floor(approximateArrivalTimestamp * 1000) }];
    } catch (fault) {
      report('record not readable', fault);
      return [];
    }
  });
  return { shard, events };
}
