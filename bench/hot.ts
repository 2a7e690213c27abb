/**
 * One tenant and one provider at 500 calls a second through several gateways, before a table that takes 1,000 writes of an
 * item in a second and throttles the rest; then as many calls as that for a tenant whose minute ends before they do.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startChildServer } from './child-server.ts';
import { type Keys, newKeys } from './company.ts';
import { createLoadClient, type LoadClient, type Question, WrongAnswer } from './load-client.ts';
import { MODELS } from './models.ts';
import { HOT_CALLS_PER_MINUTE, HOT_PROJECTS, SPENT_PROJECTS } from './policy.ts';
import { show, table } from './report.ts';
import type { Table } from './table/table.ts';
import { withKey } from './targets/endpoint.ts';
import { filledTable, startGateway } from './targets/gateway.ts';

export interface HotOptions {
  readonly seconds: number;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/** More processes than cores would only take turns. */
const GATEWAYS = 2;
const CALLS_PER_SECOND = 500;
const WRITES_PER_SECOND = 1_000;
/** Calls a second, each for two seconds: code that is not compiled yet cannot keep up with the whole rate. */
const WARM_UP = { rates: [50, 100, 200, 300, 400], seconds: 2 } as const;
/** The spent tenant is offered so much more than its minute, at the same rate. */
const OVERLOAD = 1.2;
const MINUTE_MS = 60_000;
const OVER_ADMISSION_PERCENT = 1;

const HOT: Question = {
  model: { ...MODELS.saturated, name: `hot-${MODELS.saturated.name}` },
  isWhole: true,
};

export async function measureHot({ seconds, signal, progress }: HotOptions) {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    const keys = newKeys();
    const provider = await startChildServer(import.meta.resolve('./provider-process.ts'), {});
    stops.push(provider.stop);
    const places = { providerUrl: provider.url, keys };
    const accounts = await filledTable({
      ...{ ...places, roundTripMs: 4, writesPerSecond: WRITES_PER_SECOND },
    });
    stops.push(accounts.stop);
    const urls: string[] = [];
    for (let index = 0; index < GATEWAYS; index += 1) {
      const gateway = await startGateway({
        ...places,
        url: accounts.url,
        client: 'lean',
        mayFail: true,
      });
      stops.push(gateway.stop);
      urls.push(gateway.url);
    }
    return await measured({ urls, keys, accounts, seconds, progress });
  } finally {
    await stop();
  }
}

interface Scene {
  readonly urls: readonly string[];
  readonly keys: Keys;
  readonly accounts: Table;
  readonly seconds: number;
  readonly progress: (line: string) => void;
}

async function measured({ urls, keys, accounts, seconds, progress }: Scene) {
  const clientsOf = (projects: readonly string[]) =>
    projects.flatMap((project) =>
      urls.map((url) => createLoadClient({ url, headers: withKey(keys[project] ?? '') })),
    );
  const hot = clientsOf(HOT_PROJECTS);
  const spent = clientsOf(SPENT_PROJECTS);
  try {
    progress('warming up');
    for (const perSecond of WARM_UP.rates)
      await offer(hot, { calls: perSecond * WARM_UP.seconds, question: HOT, perSecond });
    await accounts.take();
    progress(`${CALLS_PER_SECOND} calls a second for ${seconds} s`);
    const busy = await offer(hot, { calls: CALLS_PER_SECOND * seconds, question: HOT });
    const counts = await accounts.take();
    const calls = Math.ceil(HOT_CALLS_PER_MINUTE * OVERLOAD);
    progress(`${calls} calls for ${HOT_CALLS_PER_MINUTE} a minute`);
    await untilMinuteHolds((calls / CALLS_PER_SECOND) * 1_000);
    const scarce = await offer(spent, {
      calls,
      question: { model: MODELS.saturated, isWhole: true },
    });
    const scarceCounts = await accounts.take();
    const over = Math.max(0, scarce.answered - HOT_CALLS_PER_MINUTE) / HOT_CALLS_PER_MINUTE;
    const wrong = Math.max(0, HOT_CALLS_PER_MINUTE - scarce.answered);
    return reportHot([
      ['calls a second that were reached', busy.perSecond],
      ['writes a call', counts.writes / busy.calls],
      ['writes of the busiest item in its busiest second', counts.busiestWrites],
      ['write units of the busiest item in its busiest second', counts.busiestUnits],
      ['throttled writes', counts.throttled, 0],
      ['calls denied though there was room', busy.denied, 0],
      ['calls that failed', busy.failed, 0],
      ['spent tenant: throttled writes', scarceCounts.throttled, 0],
      ['spent tenant: denied before the limit was reached', wrong, 0],
      ['spent tenant: calls that failed', scarce.failed, 0],
      ['spent tenant: admitted beyond the limit, %', 100 * over, OVER_ADMISSION_PERCENT],
    ]);
  } finally {
    for (const client of [...hot, ...spent]) client.close();
  }
}

interface Offered {
  readonly calls: number;
  readonly answered: number;
  readonly denied: number;
  readonly failed: number;
  readonly perSecond: number;
}

interface Offer {
  readonly calls: number;
  readonly question: Question;
  readonly perSecond?: number;
}

/** On time, to one gateway after the other. */
async function offer(
  clients: readonly LoadClient[],
  { calls, question, perSecond = CALLS_PER_SECOND }: Offer,
): Promise<Offered> {
  const startedAtMs = performance.now();
  const tally = { answered: 0, denied: 0, failed: 0 };
  const one = async (index: number) => {
    await sleep(Math.max(0, startedAtMs + (index * 1_000) / perSecond - performance.now()));
    try {
      await clients[index % clients.length]?.call(question);
      tally.answered += 1;
    } catch (fault) {
      if (fault instanceof WrongAnswer && fault.status === 429) tally.denied += 1;
      else tally.failed += 1;
    }
  };
  await Promise.all(Array.from({ length: calls }, (_, index) => one(index)));
  return { calls, ...tally, perSecond: (calls * 1_000) / (performance.now() - startedAtMs) };
}

/** A minute of the clock that has so long left, and a little. */
async function untilMinuteHolds(neededMs: number): Promise<void> {
  const leftMs = MINUTE_MS - (Date.now() % MINUTE_MS);
  if (leftMs < neededMs * OVERLOAD) await sleep(leftMs + 100);
}

type Row = readonly [title: string, value: number, bar?: number];

function reportHot(rows: readonly Row[]): { readonly text: string; readonly missed: boolean } {
  const isMissed = ([, value, bar]: Row) => bar !== undefined && value > bar;
  const lines = rows.map((row) => {
    const [title, value, bar] = row;
    const verdict = bar === undefined ? '' : isMissed(row) ? '**MISSED**' : 'met';
    return [title, bar === undefined ? '-' : `<= ${bar}`, show(value), verdict];
  });
  return { text: table(['goal 13', 'bar', 'ours', ''], lines), missed: rows.some(isMissed) };
}
