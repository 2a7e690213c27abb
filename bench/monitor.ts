/**
 * `npm run bench:monitor`: events a second that the usage monitor takes on one core, from a batch's records to rollups and
 * findings, with a store that answers at once. The stream is one busy hour of fifty tenants.
 */
import type { KinesisStreamRecord } from 'aws-lambda';
import { type Hours, referenceHours, usualAt } from '../core/alerts/baseline.ts';
import { detectTeam } from '../core/alerts/detect.ts';
import { momentOfView } from '../core/alerts/view.ts';
import { EMPTY, type Rollup, sumOf } from '../core/rollups/amounts.ts';
import { createDuplicateFilter } from '../core/rollups/duplicates.ts';
import { type Addition, foldEvents } from '../core/rollups/fold.ts';
import { memberOf, nameOfMember, WHOLE } from '../core/rollups/subjects.ts';
import { readRecords } from '../lambdas/usage-monitor/records.ts';

const GOAL_PER_SECOND = 5_000;
const BATCH = 500;
const BATCHES = 60;
const TENANTS = 50;
const BEGIN_MS = Date.UTC(2026, 10, 20, 10);

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
process.exitCode = perSecond >= GOAL_PER_SECOND ? 0 : 1;

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
  return Array.from({ length: BATCH }, (_, at) => {
    const number = index * BATCH + at;
    const sequenceNumber = `4${String(number).padStart(55, '0')}`;
    return {
      awsRegion: 'us-east-1',
      eventID: `shardId-000000000000:${sequenceNumber}`,
      eventName: 'aws:kinesis:record',
      eventSource: 'aws:kinesis',
      eventSourceARN: '',
      eventVersion: '1.0',
      invokeIdentityArn: '',
      kinesis: {
        approximateArrivalTimestamp: BEGIN_MS / 1000 + index,
        data: Buffer.from(JSON.stringify(eventOf(number, index))).toString('base64'),
        kinesisSchemaVersion: '1.0',
        partitionKey: '',
        sequenceNumber,
      },
    };
  });
}

function eventOf(number: number, second: number): object {
  const tenant = (number * 7) % TENANTS;
  return {
    schema_version: 2,
    request_id: `req_${String(number).padStart(22, '0')}`,
    event_time_ms: BEGIN_MS + second * 1000,
    outcome: 'ok',
    tenant_id: `tenant-${tenant}`,
    team_id: `team-${number % 3}`,
    project_id: 'web',
    virtual_key_id: `vk_${number % 200}`,
    feature: `feature-${number % 5}`,
    cost_center: 'cc-1',
    customer_id: null,
    user_id: `user-${number}`,
    use_case: null,
    session_id: null,
    tags: null,
    dialect: 'openai-chat',
    model_alias: `model-${number % 4}`,
    model: 'gpt-5.1-2026-10-01',
    provider: 'openai',
    pool: 'openai',
    tier: number % 10 === 0 ? 'premium' : 'shared',
    stream: true,
    status: 200,
    error_code: null,
    denied_dimension: null,
    denied_scope: null,
    input_tokens: 1_200 + (number % 800),
    cached_input_tokens: 300,
    output_tokens: 250,
    reasoning_tokens: null,
    cost_nano_usd: 2_400_000,
    price_version: 'book-1',
    held_nano_usd: 9_000_000,
    held_tokens: 4_000,
    estimated: false,
    attempts: 1,
    ttft_ms: 350,
    duration_ms: 4_800,
    overhead_ms: 12,
    policy_version: 3,
    period: '2026-11',
    usage_raw: '{"prompt_tokens":1200,"completion_tokens":250,"total_tokens":1450}',
  };
}
