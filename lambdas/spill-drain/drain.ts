/** What becomes of a batch of spilled events: back into the stream as they were, or aside when nobody can read them. */
import * as z from 'zod/mini';
import type { Report } from '../../core/report.ts';

export interface SpilledEvent {
  readonly messageId: string;
  readonly body: string;
}

export interface DrainPorts {
  /** True for each record that is durable; the others were refused. */
  readonly putRecords: (records: readonly StreamRecord[]) => Promise<readonly boolean[]>;
  /** Resolves when the bodies are where a person finds them. */
  readonly setAside: (bodies: readonly string[]) => Promise<void>;
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
  ports: DrainPorts,
  messages: readonly SpilledEvent[],
): Promise<readonly string[]> {
  const read = messages.map(({ messageId, body }) => ({
    messageId,
    body,
    partitionKey: requestIdOf(body),
  }));
  const poison = read.filter(({ partitionKey }) => partitionKey === undefined);
  const events = read.flatMap(({ messageId, body, partitionKey }) =>
    partitionKey === undefined ? [] : [{ messageId, record: recordOf(body, partitionKey) }],
  );
  const [refused, unreadable] = await Promise.all([put(ports, events), putAside(ports, poison)]);
  return [...refused, ...unreadable];
}

/** JSON lines: Firehose concatenates records, and the line feed is what keeps them apart. */
function recordOf(body: string, partitionKey: string): StreamRecord {
  return { partitionKey, data: `${body}\n` };
}

async function put(
  { putRecords, report }: DrainPorts,
  events: readonly { readonly messageId: string; readonly record: StreamRecord }[],
): Promise<readonly string[]> {
  if (events.length === 0) return [];
  const ids = events.map(({ messageId }) => messageId);
  try {
    const taken = await putRecords(events.map(({ record }) => record));
    return ids.filter((_, index) => taken[index] !== true);
  } catch (fault) {
    report('usage not drained', fault);
    return ids;
  }
}

async function putAside(
  { setAside, report }: DrainPorts,
  poison: readonly SpilledEvent[],
): Promise<readonly string[]> {
  if (poison.length === 0) return [];
  report('record not readable', `${poison.length} spilled events`);
  try {
    await setAside(poison.map(({ body }) => body));
    return [];
  } catch (fault) {
    report('usage not drained', fault);
    return poison.map(({ messageId }) => messageId);
  }
}

function requestIdOf(body: string): string | undefined {
  try {
    return spilledSchema.parse(JSON.parse(body)).request_id;
  } catch {
    return undefined;
  }
}
