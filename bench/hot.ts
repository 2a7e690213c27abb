/**
 * Goal 13: one tenant, by one key, and one provider at 500 streams a second through several gateways, before a table that takes 1,000
 * write units of an item in a second and throttles the rest; then more calls than fit for a tenant whose minute ends before they do.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startChildServer } from './child-server.ts';
import { type Keys, newKeys } from './company.ts';
import { createLoadClient, type LoadClient, type Question, WrongAnswer } from './load-client.ts';
import { MODELS } from './models.ts';
import { HOT_CALLS_PER_MINUTE, HOT_PROJECT, SPENT_PROJECT } from './policy.ts';
import { show, table } from './report.ts';
import type { Table, TableReport } from './table/table.ts';
import { withKey } from './targets/endpoint.ts';
import { filledTable, startGateway } from './targets/gateway.ts';

export interface HotOptions {
  readonly seconds: number;
  /** Calls a second. The table takes twice as many write units of an item: at 500 what DynamoDB takes. */
  readonly rate: number;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/** More processes than cores would only take turns. */
const GATEWAYS = 2;
const UNITS_PER_CALL = 2;
/** Shares of the rate, each for two seconds: code that is not compiled yet cannot keep up with all of it. */
const WARM_UP = { shares: [0.1, 0.2, 0.4, 0.6, 0.8], seconds: 2 } as const;
/** The spent tenant is offered so much more than its minute, at the same rate. */
const OVERLOAD = 1.2;
const MINUTE_MS = 60_000;
/** Of a failed call's fault: enough to tell which kind it is. */
const SAID_OF_A_FAULT = 150;
const OVER_ADMISSION_PERCENT = 1;

/** Streams that stay open for most of a second: what an item takes grows with its open calls. */
const HOT: Question = { model: { ...MODELS.slow, name: `hot-${MODELS.slow.name}` } };
const SPENT: Question = { model: MODELS.saturated, isWhole: true };

export async function measureHot({ signal, ...options }: HotOptions) {
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
      ...{ ...places, roundTripMs: 4, unitsPerSecond: UNITS_PER_CALL * options.rate },
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
    return await measured({ ...options, urls, keys, accounts });
  } finally {
    await stop();
  }
}

interface Scene extends Omit<HotOptions, 'signal'> {
  readonly urls: readonly string[];
  readonly keys: Keys;
  readonly accounts: Table;
}

async function measured({ urls, keys, accounts, seconds, rate, progress }: Scene) {
  const clientsOf = (project: string) =>
    urls.map((url) => createLoadClient({ url, headers: withKey(keys[project] ?? '') }));
  const hot = clientsOf(HOT_PROJECT);
  const spent = clientsOf(SPENT_PROJECT);
  try {
    progress('warming up');
    for (const perSecond of WARM_UP.shares.map((share) => share * rate))
      await offer(hot, { calls: perSecond * WARM_UP.seconds, question: HOT, perSecond });
    await accounts.take();
    progress(`${rate} calls a second for ${seconds} s`);
    const busy = await offer(hot, { calls: rate * seconds, question: HOT, perSecond: rate });
    const busyCounts = await accounts.take();
    const calls = Math.ceil(HOT_CALLS_PER_MINUTE * OVERLOAD);
    progress(`${calls} calls for ${HOT_CALLS_PER_MINUTE} a minute`);
    await untilMinuteHolds((calls / rate) * 1_000);
    const scarce = await offer(spent, { calls, question: SPENT, perSecond: rate });
    return reportHot([...busyRows(busy, busyCounts), ...scarceRows(scarce, await accounts.take())]);
  } finally {
    for (const client of [...hot, ...spent]) client.close();
  }
}

function busyRows(busy: Offered, counts: TableReport): readonly Row[] {
  return [
    ['calls a second that were reached', busy.perSecond],
    ['writes a call', counts.writes / busy.calls],
    ['write units a call', counts.units / busy.calls],
    ...Object.entries(counts.busiestUnits).map(
      ([kind, units]): Row => [`write units of the busiest ${kind} account in a second`, units],
    ),
    ['throttled writes', counts.throttled, 0],
    ['calls denied though there was room', busy.denied, 0],
    ['calls that failed', busy.failed, 0],
  ];
}

function scarceRows({ answered, failed }: Offered, { throttled }: TableReport): readonly Row[] {
  const over = Math.max(0, answered - HOT_CALLS_PER_MINUTE) / HOT_CALLS_PER_MINUTE;
  return [
    ['spent tenant: throttled writes', throttled, 0],
    [
      'spent tenant: denied before the limit was reached',
      Math.max(0, HOT_CALLS_PER_MINUTE - answered - failed),
      0,
    ],
    ['spent tenant: calls that failed', failed, 0],
    ['spent tenant: admitted beyond the limit, %', 100 * over, OVER_ADMISSION_PERCENT],
  ];
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
  readonly perSecond: number;
}

/** On time, to one gateway after the other. */
async function offer(
  clients: readonly LoadClient[],
  { calls, question, perSecond }: Offer,
): Promise<Offered> {
  const startedAtMs = performance.now();
  const tally = { answered: 0, denied: 0, failed: 0 };
  const faults = new Map<string, number>();
  const one = async (index: number) => {
    await sleep(Math.max(0, startedAtMs + (index * 1_000) / perSecond - performance.now()));
    try {
      await clients[index % clients.length]?.call(question);
      tally.answered += 1;
    } catch (fault) {
      if (fault instanceof WrongAnswer && fault.status === 429) tally.denied += 1;
      else {
        const what = String(fault).slice(0, SAID_OF_A_FAULT);
        faults.set(what, (faults.get(what) ?? 0) + 1);
        tally.failed += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: calls }, (_, index) => one(index)));
  for (const [what, count] of faults) process.stderr.write(`${count} x ${what}\n`);
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
    const asked = bar === undefined ? ['-', '-'] : [`<= ${bar}`, '0'];
    return [title, ...asked, show(value), verdict];
  });
  return {
    text: table(['goal 13', 'bar', 'floor', 'ours', ''], lines),
    missed: rows.some(isMissed),
  };
}
