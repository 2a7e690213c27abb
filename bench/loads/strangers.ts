/** Tenants that a gateway has not seen for longer than it believes what it knows, in the first round never, and the same ones a moment later. */
import { type CallTimes, createLoadClient } from '../load-client.ts';
import { MODELS } from '../models.ts';
import { STRANGERS } from '../policy.ts';
import { quantile } from '../statistics.ts';
import type { TableReport } from '../table/table.ts';
import { withKey } from '../targets/endpoint.ts';
import type { Load } from './load.ts';

const QUESTION = { model: MODELS.short };
/** So that the books of one call are closed before the next. */
const CALLS_TO_KNOW = 3;

export const strangers: Load = async ({ target }) => {
  const { table, keys } = target;
  if (table === undefined || keys === undefined) return {};
  await table.take();
  const first: Seen[] = [];
  const known: Seen[] = [];
  for (const name of STRANGERS) {
    const client = createLoadClient({ ...target.endpoint, headers: withKey(keys[name] ?? '') });
    for (let index = 0; index < CALLS_TO_KNOW; index += 1) {
      const call = await client.call(QUESTION);
      const { spans } = await table.take();
      if (index === 0) first.push({ call, spans });
      if (index === CALLS_TO_KNOW - 1) known.push({ call, spans });
    }
    client.close();
  }
  const roundTripsMs = [...first, ...known].flatMap(({ spans }) =>
    spans.map(([beganAtUs, endedAtUs]) => (endedAtUs - beganAtUs) / 1e3),
  );
  return {
    strangerOverP50: median(first.map(({ call }) => call.overMs)),
    strangerTrips: median(first.map(tripsBeforeDispatch)),
    knownOverP50: median(known.map(({ call }) => call.overMs)),
    knownTrips: median(known.map(tripsBeforeDispatch)),
    roundTrip: median(roundTripsMs),
  };
};

interface Seen {
  readonly call: CallTimes;
  readonly spans: TableReport['spans'];
}

/** The most calls to the table that followed upon one another before the provider had the question. */
function tripsBeforeDispatch({ call, spans }: Seen): number {
  const before = spans
    .filter(([began, ended]) => began >= call.sentAtUs && ended <= call.askedAtUs)
    .toSorted(([, a], [, b]) => a - b);
  let trips = 0;
  let lastEndedAtUs = 0;
  for (const [beganAtUs, endedAtUs] of before) {
    if (beganAtUs < lastEndedAtUs) continue;
    trips += 1;
    lastEndedAtUs = endedAtUs;
  }
  return trips;
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
