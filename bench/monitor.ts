/**
 * `npm run bench:monitor`: events a second that the usage monitor takes on one core, from a batch's records to rollups and
 * findings, with a store that answers at once. The stream is one busy hour of fifty tenants. `-- --table` runs its handler
 * with a real table instead, for as many tenants as `--tenants` says.
 */
import { parseArgs } from 'node:util';
import type { KinesisStreamRecord } from 'aws-lambda';
import { type Hours, referenceHours, usualAt } from '../core/alerts/baseline.ts';
import { detectTeam } from '../core/alerts/detect.ts';
import { momentOfView } from '../core/alerts/view.ts';
import { EMPTY, type Rollup, sumOf } from '../core/rollups/amounts.ts';
import { createDuplicateFilter } from '../core/rollups/duplicates.ts';
import { type Addition, foldEvents } from '../core/rollups/fold.ts';
import { memberOf, nameOfMember, WHOLE } from '../core/rollups/subjects.ts';
import { readRecords } from '../lambdas/usage-monitor/records.ts';
import { recordOf } from './monitor-stream.ts';
import { runBeforeTable } from './monitor-table.ts';

const GOAL_PER_SECOND = 5_000;
const BATCH = 500;
const BATCHES = 60;
const TABLE_BATCHES = 4;
/** Each tenant and team is looked at so often (lambdas/usage-monitor/watchman.ts). */
const LOOK_SECONDS = 60;
const TENANTS = 50;
const BEGIN_MS = Date.UTC(2026, 10, 20, 10);

const COMPANY = { tenants: TENANTS, teamsOfTenant: 3 };

const { values } = parseArgs({
  options: { table: { type: 'boolean', default: false }, tenants: { type: 'string' } },
});
const isFast = values.table ? await withTable(values.tenants) : withoutTable();
process.exitCode = isFast ? 0 : 1;

function withoutTable(): boolean {
  const batches = Array.from({ length: BATCHES }, (_, index) => batchOf(index));
  for (const batch of batches.slice(0, 10)) work(batch);
  const before = process.cpuUsage();
  let writes = 0;
  for (const batch of batches) writes += work(batch);
  const { user, system } = process.cpuUsage(before);
  const perSecond = Math.round((BATCHES * BATCH) / ((user + system) / 1e6));
  console.log(
    `${perSecond} events a second of CPU (goal: ${GOAL_PER_SECOND}); ${Math.round(writes / BATCHES)} writes for a batch of ${BATCH}`,
  );
  return perSecond >= GOAL_PER_SECOND;
}

/** The monitor loads once in a process, so each company is a run of its own. */
async function withTable(tenants = '50'): Promise<boolean> {
  const company = { tenants: Number(tenants), teamsOfTenant: 2 };
  const run = await runBeforeTable(company, TABLE_BATCHES);
  const looksMicros = (run.scopes / LOOK_SECONDS) * run.lookMicros;
  const perSecond = Math.round((1e6 - looksMicros) / run.eventMicros);
  console.log(
    `${perSecond} events a second of CPU (goal: ${GOAL_PER_SECOND}): ${company.tenants} tenants of ${company.teamsOfTenant} teams, ` +
      `${run.writes} writes for a batch of ${run.events}; ${run.eventMicros.toFixed(0)} µs an event, ` +
      `${run.lookMicros.toFixed(0)} µs each look, ${(looksMicros / 1e4).toFixed(1)} % of the core for ${run.scopes} a minute`,
  );
  return perSecond >= GOAL_PER_SECOND;
}

/** As lambdas/usage-monitor does: read, drop copies, fold, and look at every team that was touched. */
function work(records: readonly KinesisStreamRecord[]): number {
  const filter = createDuplicateFilter();
  const { shard, events } = readRecords(records, () => {
    throw new Error('a record of the benchmark is not readable');
  });
  const kept = filter.firstOnly(shard, events);
  const additions = [...foldEvents(kept, (event) => event.feature ?? undefined).values()];
  for (const team of teamsOf(additions)) look(team);
  return additions.length;
}

function teamsOf(additions: readonly Addition[]): Addition[][] {
  const teams = new Map<string, Addition[]>();
  for (const addition of additions) {
    const { subject, granularity } = addition;
    if (granularity !== 'fiveMinutes' || !('teamId' in subject)) continue;
    const key = `${subject.tenantId}/${subject.teamId}`;
    teams.set(key, [...(teams.get(key) ?? []), addition]);
  }
  return [...teams.values()];
}

function look(team: readonly Addition[]): void {
  const recentOf = (rollup: Rollup) => [rollup, rollup, rollup, rollup];
  const features = new Map<string, Rollup[]>();
  const models = new Map<string, Rollup[]>();
  let whole: Rollup = EMPTY;
  for (const { subject, amounts } of team) {
    const member = memberOf(subject);
    const part = nameOfMember(member);
    if (part !== undefined)
      (part.kind === 'feature' ? features : models).set(part.name, recentOf(amounts));
    if (member === WHOLE) whole = amounts;
  }
  const hours: Hours = new Map(referenceHours(BEGIN_MS).map((startMs) => [startMs, whole]));
  detectTeam({
    labels: {},
    overrides: {},
    ...momentOfView(BEGIN_MS + 200_000),
    recent: recentOf(whole),
    usual: usualAt(hours, BEGIN_MS),
    tenant: recentOf(sumOf([whole, whole])),
    features,
    models,
    dedicated: new Set(),
  });
}

function batchOf(index: number): KinesisStreamRecord[] {
  return Array.from({ length: BATCH }, (_, at) =>
    recordOf(index * BATCH + at, COMPANY, BEGIN_MS + index * 1000),
  );
}
