/**
 * Records of calls that end together go to a stream together. One goes at once where no put is under way; those that come meanwhile
 * wait for its end, or a moment where it is slow, and are then put in one call. Each caller is told of its own record.
 */

export interface StreamRecord {
  readonly PartitionKey: string;
  /** Base64. */
  readonly Data: string;
}

/** The service's name of the error of each record, in their order; undefined where it was taken. */
export type PutTogether = (
  records: readonly StreamRecord[],
) => Promise<readonly (string | undefined)[]>;

/** A put takes a few milliseconds; one that takes longer than this holds up nobody else. */
const LONGEST_WAIT_MS = 20;
/** Kinesis takes 500 records and 5 MB. */
const MAX_RECORDS = 250;
const MAX_CHARACTERS = 2_500_000;

interface Waiting {
  readonly record: StreamRecord;
  readonly done: PromiseWithResolvers<string | undefined>;
}

/** Resolves to the error of the record, undefined where it was taken; rejects where the put as a whole did. */
export function createGroupedPuts(
  put: PutTogether,
): (record: StreamRecord) => Promise<string | undefined> {
  let waiting: Waiting[] = [];
  let underWay = 0;
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    clearTimeout(timer);
    const group = takeGroup(waiting);
    waiting = waiting.slice(group.length);
    timer = waiting.length > 0 ? setTimeout(flush, LONGEST_WAIT_MS) : undefined;
    underWay += 1;
    void putGroup(put, group).then(() => {
      underWay -= 1;
      if (waiting.length > 0) flush();
    });
  }

  return (record) => {
    const done = Promise.withResolvers<string | undefined>();
    waiting.push({ record, done });
    if (underWay === 0) flush();
    else timer ??= setTimeout(flush, LONGEST_WAIT_MS);
    return done.promise;
  };
}

function takeGroup(waiting: readonly Waiting[]): readonly Waiting[] {
  let characters = 0;
  const tooMany = waiting.findIndex(({ record }, index) => {
    characters += record.Data.length + record.PartitionKey.length;
    return index >= MAX_RECORDS || (index > 0 && characters > MAX_CHARACTERS);
  });
  return tooMany < 0 ? waiting : waiting.slice(0, tooMany);
}

/** Never rejects. */
async function putGroup(put: PutTogether, group: readonly Waiting[]): Promise<void> {
  try {
    const errors = await put(group.map(({ record }) => record));
    for (const [index, { done }] of group.entries()) done.resolve(errors[index]);
  } catch (fault) {
    for (const { done } of group) done.reject(fault);
  }
}
