/**
 * One run of the reconciler. First it replaces by the truth what was posted at its hold, where the ledger knows
 * the truth. Then it compares the accounts as the last run read them, by now old enough for the ledger to have
 * heard of every call in them, with the ledger; and the ledger with the raw events. Then it reads the accounts anew.
 */
import type { BooksEvent } from '../../core/alerts/event-schema.ts';
import type { Clock, EpochMs } from '../../core/clock.ts';
import type { AccountStore } from '../../core/limits/account-store.ts';
import type { Pause } from '../../core/limits/patient-store.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { correctPosted } from '../../core/limits/posted.ts';
import { formatUsd, nanoUsd } from '../../core/money.ts';
import { ALERT_DETAIL_TYPE } from '../../core/names.ts';
import { type Comparison, compareBooks } from '../../core/reconcile/compare.ts';
import { compareDays, todayAndYesterday } from '../../core/reconcile/days.ts';
import { dayRow, rawRow, runRow, scopeRow } from '../../core/reconcile/result-rows.ts';
import {
  createResults,
  insertResults,
  type ResultRow,
  TIDY_RESULTS,
} from '../../core/reconcile/results-table.ts';
import { SNAPSHOT_PREFIXES, type Snapshot, snapshotOf } from '../../core/reconcile/snapshot.ts';
import {
  cutOf,
  nameOfComparison,
  type OpenDifference,
  openDifference,
  type ReconcilerState,
  signatureOf,
  stateSchema,
} from '../../core/reconcile/state.ts';
import type { Report } from '../../core/report.ts';
import type { AccountScan } from '../adapters/account-scan.ts';
import type { AlertBus } from '../adapters/alert-bus.ts';
import type { Athena } from '../adapters/athena.ts';
import type { LakeFiles } from '../adapters/lake-files.ts';
import { createLake, type Lake } from './ask-lake.ts';

export interface ReconcilerPorts {
  readonly athena: Athena;
  readonly scan: Pick<AccountScan, 'startingWith'>;
  readonly store: AccountStore;
  readonly files: LakeFiles;
  readonly alerts: AlertBus;
  readonly clock: Clock;
  readonly pause: Pause;
  readonly report: Report;
  /** IANA, of the policy in force. */
  readonly timeZone: () => Promise<string>;
  /** S3 address of the results' folder. */
  readonly location: string;
}

export interface ReconcilerRun {
  /** `hourly`: the last days. `nightly`: all that may still be corrected; a row for every account; and the results are tidied. */
  readonly reach: 'hourly' | 'nightly';
  /** How old the accounts must be that are compared. */
  readonly minAgeMs: number;
  readonly deadlineMs: EpochMs;
}

export interface ReconcilerResult {
  readonly corrected: number;
  /** Accounts compared; 0 while those read last are too young. */
  readonly compared: number;
  /** Accounts, and requests of the raw events, that do not agree with the ledger. */
  readonly different: number;
}

const STATE_KEY = 'reconciliation/state.json';
const DAY_MS = 86_400_000;
/** What arrives in the lake is booked half an hour later at most, or the writer's alarm rings. */
const BOOKED_WITHIN_MS = 45 * 60_000;
/** More differences than these have one cause. */
const MOST_EXPLAINED = 20;

export async function reconcile(
  ports: ReconcilerPorts,
  run: ReconcilerRun,
): Promise<ReconcilerResult> {
  const nowMs = ports.clock.nowMs();
  const lake = createLake(ports.athena, run.deadlineMs);
  const corrected = await correctExpired(ports, lake, { reach: run.reach, nowMs });
  const text = await ports.files.read(STATE_KEY);
  const state = text === undefined ? undefined : stateSchema.parse(JSON.parse(text));
  if (state !== undefined && nowMs - state.snapshot.toMs < run.minAgeMs)
    return { corrected, compared: 0, different: 0 };
  const fresh = await readAccounts(ports);
  if (state === undefined) {
    await writeState(ports, { snapshot: fresh, comparedMs: 0, open: [] });
    return { corrected, compared: 0, different: 0 };
  }
  const found = await compareAll(ports, lake, { state, run, nowMs });
  const rows = [...found.rows, runRow({ ...found, corrected, nowMs, snapshot: state.snapshot })];
  await storeRows(ports, rows, run);
  const comparedMs = cutOf(state.snapshot).sureMs;
  await writeState(ports, { snapshot: fresh, comparedMs, open: found.open });
  return { corrected, compared: found.comparisons.length, different: found.different };
}

/** Doing it twice changes nothing, so a window that overlaps the last run's is only read again. */
async function correctExpired(
  { store, pause, report }: ReconcilerPorts,
  lake: Lake,
  { reach, nowMs }: { reach: ReconcilerRun['reach']; nowMs: EpochMs },
): Promise<number> {
  const fromMs = nowMs - (reach === 'nightly' ? 40 : 3) * DAY_MS;
  const window = { fromDay: dayOf(fromMs), fromPeriod: dayOf(fromMs - 2 * DAY_MS).slice(0, 7) };
  let corrected = 0;
  for (const call of await lake.expired(window)) {
    try {
      await correctPosted({ store, pause }, call);
      corrected += 1;
    } catch (fault) {
      // One account out of reach must not keep the others wrong; the next run comes back to it.
      report('posted call not corrected', fault);
    }
  }
  return corrected;
}

async function readAccounts({ scan, clock, timeZone }: ReconcilerPorts): Promise<Snapshot> {
  const fromMs = clock.nowMs();
  const zone = await timeZone();
  const { month } = calendarDay(fromMs, zone);
  const months = [month % 100 === 1 ? month - 89 : month - 1, month];
  const items = [];
  for await (const item of scan.startingWith(SNAPSHOT_PREFIXES)) items.push(item);
  const days = todayAndYesterday(fromMs, zone);
  return snapshotOf(items, { fromMs, toMs: clock.nowMs(), months, days });
}

function writeState({ files }: ReconcilerPorts, state: ReconcilerState): Promise<void> {
  return files.write(STATE_KEY, JSON.stringify(state));
}

interface Found {
  readonly comparisons: readonly Comparison[];
  readonly rows: readonly ResultRow[];
  readonly open: OpenDifference[];
  readonly different: number;
}

interface Work {
  readonly state: ReconcilerState;
  readonly run: ReconcilerRun;
  readonly nowMs: EpochMs;
}

async function compareAll(ports: ReconcilerPorts, lake: Lake, work: Work): Promise<Found> {
  const { state, run, nowMs } = work;
  const { snapshot } = state;
  const cut = cutOf(snapshot);
  const periods = [...new Set(snapshot.scopes.map(({ period }) => period))];
  const ledger = periods.length === 0 ? [] : await lake.ledger(cut, periods);
  const requests = await lake.requests(cut, { periods, requestIds: snapshot.requestIds });
  const comparisons = compareBooks({ scopes: snapshot.scopes, ledger, requests });
  const wrong = comparisons.filter(({ verdict }) => verdict !== 'equal' && verdict !== 'in-flight');
  const rows: ResultRow[] = [];
  const open: OpenDifference[] = [];
  let younger = 0;
  for (const [index, comparison] of wrong.entries()) {
    const name = nameOfComparison(comparison);
    const { isNews, ...known } = openDifference(name, signatureOf(comparison), state);
    const explanation =
      index < MOST_EXPLAINED ? await lake.explain(comparison, cut, known.sinceMs) : undefined;
    const row = scopeRow(comparison, { nowMs, snapshot, explanation });
    rows.push(row);
    if (row.verdict === 'counted-since') younger += 1;
    else {
      open.push(known);
      if (isNews && index < MOST_EXPLAINED) await tell(ports, row);
    }
  }
  if (run.reach === 'nightly')
    rows.push(
      ...comparisons
        .filter((each) => !wrong.includes(each))
        .map((each) => scopeRow(each, { nowMs, snapshot })),
    );
  rows.push(...(await dayRows(lake, work)));
  const raw = await compareRaw(ports, lake, work);
  return {
    comparisons,
    rows: [...rows, ...raw.rows],
    open: [...open, ...raw.open],
    different: wrong.length - younger + raw.different,
  };
}

/** Those that are not equal, and at night all. */
async function dayRows(lake: Lake, { state, run, nowMs }: Work): Promise<ResultRow[]> {
  const { snapshot } = state;
  const ledger = await lake.days(cutOf(snapshot), snapshot);
  if (snapshot.days === undefined || ledger === undefined) return [];
  return compareDays(snapshot.days, ledger)
    .filter(({ verdict }) => run.reach === 'nightly' || verdict !== 'equal')
    .map((comparison) => dayRow(comparison, { nowMs, snapshot }));
}

async function compareRaw(
  ports: ReconcilerPorts,
  lake: Lake,
  { state, run, nowMs }: Work,
): Promise<Omit<Found, 'comparisons'>> {
  const fromMs = nowMs - (run.reach === 'nightly' ? 35 : 2) * DAY_MS;
  const raw = await lake.rawDifference({
    fromDay: dayOf(fromMs),
    beforeHour: new Date(nowMs - Math.min(run.minAgeMs, BOOKED_WITHIN_MS))
      .toISOString()
      .slice(0, 13)
      .replace('T', ' '),
    fromPeriod: dayOf(fromMs - 2 * DAY_MS).slice(0, 7),
  });
  if (raw.requestIds.length === 0) return { rows: [], open: [], different: 0 };
  const row = rawRow(raw, nowMs);
  const { isNews, ...known } = openDifference('raw', raw.requestIds.join(), state);
  if (isNews) await tell(ports, row);
  return { rows: [row], open: [known], different: raw.requestIds.length };
}

async function storeRows(
  { athena, location }: ReconcilerPorts,
  rows: readonly ResultRow[],
  { reach, deadlineMs }: ReconcilerRun,
): Promise<void> {
  await athena.run(createResults(location), deadlineMs);
  for (const statement of insertResults(rows)) await athena.run(statement, deadlineMs);
  if (reach === 'hourly') return;
  for (const statement of TIDY_RESULTS) await athena.run(statement, deadlineMs);
}

function tell({ alerts }: ReconcilerPorts, row: ResultRow): Promise<void> {
  return alerts.tell(ALERT_DETAIL_TYPE.booksDiffer, {
    scope: row.scope ?? row.check_kind,
    period: row.period ?? row.checked_day,
    verdict: row.verdict,
    differenceUsd: formatUsd(nanoUsd(row.difference_nano_usd)),
    differenceTokens: row.difference_input_tokens + row.difference_output_tokens,
    explanation: row.explanation ?? '',
    // Alerts are sentences, in which JSON's quotation marks would not survive.
    requests: (row.request_ids ?? 'none').replace(/["[\]]/g, '').replaceAll(',', ', '),
    time: new Date(row.checked_at_ms).toISOString(),
  } satisfies BooksEvent);
}

function dayOf(atMs: EpochMs): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
