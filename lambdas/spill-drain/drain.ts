/**
 * What becomes of a batch of spilled events: back into the stream as they were. What nobody can read goes there too: the
 * lake keeps it among the rejected or flagged records, where it can be asked for, and the monitor's alarm tells of it.
 */
import * as z from 'zod/mini';
import type { Report } from '../../core/report.ts';

export interface SpilledEvent {
  readonly messageId: string;
  readonly body: string;
}

export interface DrainPorts {
  /** True for each record that is durable; the others were refused. */
  readonly putRecords: (records: readonly StreamRecord[]) => Promise<readonly boolean[]>;
  readonly report: Report;
}

interface StreamRecord {
  readonly partitionKey: string;
  readonly data: string;
}

/** Only what the stream needs: an event of another version of this code goes on as it is. */
const spilledSchema = z.object({ request_id: z.string().check(z.minLength(1), z.maxLength(256)) });

/** The ids of the messages that must stay in the queue. */
export async function drain(
  { putRecords, report }: DrainPorts,
  messages: readonly SpilledEvent[],
): Promise<readonly string[]> {
  if (messages.length === 0) return [];
  const ids = messages.map(({ messageId }) => messageId);
  const requestIds = messages.map(({ body }) => requestIdOf(body));
  const unreadable = requestIds.filter((id) => id === undefined).length;
  if (unreadable > 0) report('record not readable', `${unreadable} spilled events`);
  try {
    const taken = await putRecords(
      messages.map(({ messageId, body }, index) => recordOf(body, requestIds[index] ?? messageId)),
    );
    return ids.filter((_, index) => taken[index] !== true);
  } catch (fault) {
    report('usage not drained', fault);
    return ids;
  }
}

/** JSON lines: Firehose concatenates records, and the line feed is what keeps them apart. */
function recordOf(body: string, partitionKey: string): StreamRecord {
  return { partitionKey, data: `${body}\n` };
}

function requestIdOf(body: string): string | undefined {
  try {
    return spilledSchema.parse(JSON.parse(body)).request_id;
  } catch {
    return undefined;
  }
}
