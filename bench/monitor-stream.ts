/** Usage events on a shard of the stream, in batches as Lambda brings them. */
import type { KinesisStreamRecord } from 'aws-lambda';

export interface Company {
  readonly tenants: number;
  readonly teamsOfTenant: number;
}

/** Of the event source mapping (lib/constructs/usage-pipeline.ts), and of an invocation's payload. */
const MAX_RECORDS = 5_000;
const MAX_BYTES = 6 * 1024 * 1024;

/** As many events as one batch takes, beginning with the event of this number. */
export function batchFrom(number: number, company: Company, atMs: number): KinesisStreamRecord[] {
  const records: KinesisStreamRecord[] = [];
  for (let bytes = 0; records.length < MAX_RECORDS; ) {
    const record = recordOf(number + records.length, company, atMs);
    bytes += JSON.stringify(record).length;
    if (bytes > MAX_BYTES) break;
    records.push(record);
  }
  return records;
}

export function recordOf(number: number, company: Company, atMs: number): KinesisStreamRecord {
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
      approximateArrivalTimestamp: atMs / 1000,
      data: Buffer.from(JSON.stringify(eventOf(number, company, atMs))).toString('base64'),
      kinesisSchemaVersion: '1.0',
      partitionKey: '',
      sequenceNumber,
    },
  };
}

/** Tenants, teams, features and models in no order, each as often as the others. */
function eventOf(number: number, { tenants, teamsOfTenant }: Company, atMs: number): object {
  const spread = Math.imul(number, 2_654_435_761) >>> 0;
  const team = spread % (tenants * teamsOfTenant);
  const tenant = team % tenants;
  const part = Math.floor(spread / 4_096);
  return {
    schema_version: 2,
    request_id: `req_${String(number).padStart(22, '0')}`,
    event_time_ms: atMs,
    outcome: 'ok',
    tenant_id: `tenant-${tenant}`,
    team_id: `team-${Math.floor(team / tenants)}`,
    project_id: 'web',
    virtual_key_id: `vk_${team}`,
    feature: `feature-${part % 5}`,
    cost_center: 'cc-1',
    customer_id: null,
    user_id: `user-${number}`,
    use_case: null,
    session_id: null,
    tags: null,
    dialect: 'openai-chat',
    model_alias: `model-${part % 4}`,
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
    period: new Date(atMs).toISOString().slice(0, 7),
    usage_raw: '{"prompt_tokens":1200,"completion_tokens":250,"total_tokens":1450}',
  };
}
