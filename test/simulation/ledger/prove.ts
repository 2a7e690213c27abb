/** Runs the ledger's writer over a history, with crashes of its own, and compares the books with the truth. */
import { LAKE } from '../../../core/names.ts';
import type { UsageEvent } from '../../../core/usage/event.ts';
import { createLedgerLake, type LedgerLake } from '../../support/ledger-lake.ts';
import { createRandom } from '../random.ts';
import { FIRST_CALL_MS, type History, makeHistory } from './history.ts';

export interface Proof {
  readonly requests: number;
  readonly delivered: number;
  readonly runs: number;
  readonly counts: History['counts'];
  readonly corrections: number;
  readonly bookedAfterClose: number;
  /** All of them must be zero. */
  readonly differences: {
    readonly requestsMissing: number;
    readonly requestsTwice: number;
    readonly tokens: number;
    readonly nanoUsd: number;
    /** Requests, teams and models whose sum is not the truth's. */
    readonly wrongRequests: number;
    readonly wrongGroups: number;
    readonly closedMonthNanoUsd: number;
  };
  readonly seconds: number;
}

export interface ProofOptions {
  readonly seed: number;
  readonly requests: number;
  readonly runEveryMs: number;
}

const HOUR_MS = 3_600_000;
/** The last call and its copies, and the night after. */
const LENGTH_MS = 53 * HOUR_MS;
/** Into the new month, while much of the old one is still on its way. */
const CLOSE_AFTER_MS = 15 * HOUR_MS;

export async function proveLedger({ seed, requests, runEveryMs }: ProofOptions): Promise<Proof> {
  const startedMs = performance.now();
  const history = await makeHistory({ seed, requests });
  const lake = createLedgerLake(FIRST_CALL_MS);
  try {
    const { runs, closedSum } = await runWriter(lake, history, { seed, runEveryMs });
    const books = await readBooks(lake);
    return {
      requests,
      delivered: history.arrivals.length,
      runs,
      counts: history.counts,
      corrections: books.corrections,
      bookedAfterClose: books.bookedAfterClose,
      differences: {
        ...compare(history.truth, books),
        closedMonthNanoUsd: Math.abs(books.closedSum - closedSum),
      },
      seconds: Math.round((performance.now() - startedMs) / 100) / 10,
    };
  } finally {
    await lake.close();
  }
}

async function runWriter(
  lake: LedgerLake,
  { arrivals }: History,
  { seed, runEveryMs }: Pick<ProofOptions, 'seed' | 'runEveryMs'>,
): Promise<{ runs: number; closedSum: number }> {
  const random = createRandom(seed + 1);
  const inOrder = arrivals.toSorted((a, b) => a.atMs - b.atMs);
  let delivered = 0;
  let runs = 0;
  let closedSum = 0;
  for (let afterMs = runEveryMs; afterMs <= LENGTH_MS; afterMs += runEveryMs) {
    lake.nowMs = FIRST_CALL_MS + afterMs;
    const first = delivered;
    while ((inOrder[delivered]?.atMs ?? Number.POSITIVE_INFINITY) <= lake.nowMs) delivered += 1;
    if (delivered > first) lake.arrive(inOrder.slice(first, delivered).map(({ event }) => event));
    const isClosing = lake.closedThrough === undefined && afterMs >= CLOSE_AFTER_MS;
    if (isClosing) {
      lake.closedThrough = '2026-10';
      closedSum = await sumOfClosed(lake);
    }
    // Some runs never start, some are started twice at once, and one's answer is always lost to somebody.
    const starts = random.weighted({ none: 0.1, one: 0.7, two: 0.2 });
    if (starts === 'none') continue;
    runs += starts === 'two' ? 2 : 1;
    await Promise.all([lake.write(), ...(starts === 'two' ? [lake.write()] : [])]);
  }
  await lake.write('wide');
  await lake.write('wide');
  return { runs: runs + 2, closedSum };
}

interface Books {
  readonly requests: ReadonlyMap<string, { calls: number; tokens: number; nanoUsd: number }>;
  readonly groups: ReadonlyMap<string, number>;
  readonly corrections: number;
  readonly bookedAfterClose: number;
  readonly closedSum: number;
}

async function readBooks(lake: LedgerLake): Promise<Books> {
  const tokens = 'sum(input_tokens + cached_input_tokens + output_tokens)';
  const requests = await lake.ask(`SELECT request_id, count(*) FILTER (WHERE entry_kind = 'call'),
    ${tokens}, sum(cost_nano_usd) FROM ${LAKE.ledgerTable} GROUP BY 1`);
  const groups = await lake.ask(`SELECT concat(team_id, '/', coalesce(model, '-'), '/', period),
    sum(cost_nano_usd) FROM ${LAKE.ledgerTable} GROUP BY 1 HAVING sum(cost_nano_usd) <> 0`);
  const [counts = []] = await lake.ask(`SELECT count(*) FILTER (WHERE entry_kind = 'correction'),
    count(*) FILTER (WHERE booked_period > period) FROM ${LAKE.ledgerTable}`);
  return {
    requests: new Map(
      requests.map(([id = '', calls, sum, cost]) => [
        id,
        { calls: Number(calls), tokens: Number(sum), nanoUsd: Number(cost) },
      ]),
    ),
    groups: new Map(groups.map(([name = '', cost]) => [name, Number(cost)])),
    corrections: Number(counts[0]),
    bookedAfterClose: Number(counts[1]),
    closedSum: await sumOfClosed(lake),
  };
}

async function sumOfClosed(lake: LedgerLake): Promise<number> {
  const [row = []] = await lake.ask(
    `SELECT sum(cost_nano_usd) FROM ${LAKE.ledgerTable} WHERE booked_period <= '2026-10'`,
  );
  return Number(row[0]);
}

function compare(
  truth: ReadonlyMap<string, UsageEvent>,
  { requests, groups }: Books,
): Omit<Proof['differences'], 'closedMonthNanoUsd'> {
  let [tokens, nanoUsd, wrongRequests, requestsMissing] = [0, 0, 0, 0];
  const trueGroups = new Map<string, number>();
  for (const [id, event] of truth) {
    const group = `${event.team_id}/${event.model ?? '-'}/${event.period}`;
    trueGroups.set(group, (trueGroups.get(group) ?? 0) + event.cost_nano_usd);
    const booked = requests.get(id);
    if (booked === undefined) requestsMissing += 1;
    const tokensOff = tokensOf(event) - (booked?.tokens ?? 0);
    const nanoUsdOff = event.cost_nano_usd - (booked?.nanoUsd ?? 0);
    tokens += Math.abs(tokensOff);
    nanoUsd += Math.abs(nanoUsdOff);
    if (tokensOff !== 0 || nanoUsdOff !== 0) wrongRequests += 1;
  }
  const names = new Set([...groups.keys(), ...trueGroups.keys()]);
  return {
    requestsMissing: requestsMissing + Math.max(0, requests.size - truth.size),
    requestsTwice: [...requests.values()].filter(({ calls }) => calls !== 1).length,
    tokens,
    nanoUsd,
    wrongRequests,
    wrongGroups: [...names].filter((name) => groups.get(name) !== trueGroups.get(name)).length,
  };
}

function tokensOf(event: UsageEvent): number {
  return (event.input_tokens ?? 0) + (event.cached_input_tokens ?? 0) + (event.output_tokens ?? 0);
}
