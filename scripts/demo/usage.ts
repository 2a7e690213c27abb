/** Usage events as the gateway writes them, onto the stream of now and into the sums of earlier weeks. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { referenceHours } from '../../core/alerts/baseline.ts';
import { newRequestId } from '../../core/ids.ts';
import { applyBatch } from '../../core/rollups/apply-batch.ts';
import { GRANULARITIES, windowStart } from '../../core/rollups/windows.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import { NO_USAGE_DETAIL, UNSAID, USAGE_SCHEMA_VERSION } from '../../core/usage/event-values.ts';
import { overSdk } from '../../lambdas/adapters/dynamo-sdk.ts';
import { createRollups } from '../../lambdas/adapters/rollups.ts';
import type { Group } from './plays.ts';
import type { DemoStage } from './stage.ts';

const WINDOW_MS = GRANULARITIES.fiveMinutes.lengthMs;
const CALLS_OF_HISTORY = 60;
const SEQUENCE_DIGITS = 56;

/** One put, so that the monitor sees all of them when it first looks. */
export async function putCalls(stage: DemoStage, groups: readonly Group[]): Promise<void> {
  const running = windowStart('fiveMinutes', Date.now());
  const events = groups.flatMap(({ calls, windowsAgo, shape }) =>
    Array.from({ length: calls }, () => callAt(running - windowsAgo * WINDOW_MS, shape)),
  );
  const client = new KinesisClient(stage.aws);
  try {
    const Records = events.map((event) => ({
      Data: Buffer.from(JSON.stringify(event)),
      PartitionKey: event.request_id,
    }));
    await client.send(new PutRecordsCommand({ StreamName: stage.names.stream, Records }));
  } finally {
    client.destroy();
  }
}

/** The same hour of the last seven days and of five weeks, as if the monitor had summed it then. */
export async function seedHistory(stage: DemoStage, shape: Partial<UsageEvent>): Promise<void> {
  const client = new DynamoDBClient({ ...stage.aws, endpoint: stage.dynamoUrl });
  const rollups = createRollups({ dynamo: overSdk(client), tableName: stage.names.rollups });
  const hours = referenceHours(Date.now());
  const events = hours.flatMap((startMs) =>
    Array.from({ length: CALLS_OF_HISTORY }, () => callAt(startMs, shape)),
  );
  try {
    await applyBatch(rollups, {
      shard: 'shardId-000000000099',
      events: events.map((event, index) => ({
        event,
        sequence: String(index + 1).padStart(SEQUENCE_DIGITS, '0'),
        arrivedAtMs: event.event_time_ms,
      })),
      featureOf: () => undefined,
    });
  } finally {
    client.destroy();
  }
}

function callAt(atMs: number, shape: Partial<UsageEvent>): UsageEvent {
  return {
    ...NO_USAGE_DETAIL,
    ...UNSAID,
    schema_version: USAGE_SCHEMA_VERSION,
    request_id: newRequestId(),
    event_time_ms: atMs + 1_000,
    outcome: 'ok',
    tenant_id: 'acme',
    team_id: 'search',
    project_id: 'search',
    virtual_key_id: 'demo',
    feature: null,
    cost_center: null,
    customer_id: null,
    user_id: null,
    use_case: null,
    session_id: null,
    tags: null,
    dialect: 'openai-chat',
    model_alias: 'plain',
    model: 'sim-small',
    provider: 'openai',
    tier: 'shared',
    stream: false,
    status: 200,
    error_code: null,
    denied_dimension: null,
    denied_scope: null,
    input_tokens: 1_500,
    cached_input_tokens: 0,
    output_tokens: 500,
    reasoning_tokens: 0,
    cost_nano_usd: 0,
    price_version: 'demo',
    held_nano_usd: 0,
    held_tokens: 0,
    estimated: false,
    attempts: 1,
    ttft_ms: 120,
    duration_ms: 600,
    overhead_ms: 5,
    policy_version: 1,
    period: new Date(atMs).toISOString().slice(0, 7),
    soft_limits_crossed: null,
    attempt_id: null,
    trace_id: null,
    pool: 'openai',
    fallback_from: null,
    ...shape,
  };
}
