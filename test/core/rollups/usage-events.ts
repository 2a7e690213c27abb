/** Usage events of which a test says what matters to it. */
import { type UsageEvent, usageEventSchema } from '../../../core/usage/event.ts';

export const AT_MS = Date.UTC(2026, 10, 20, 10, 2);

let made = 0;

export function usageEvent(fields: Partial<UsageEvent> = {}): UsageEvent {
  made += 1;
  return usageEventSchema.parse({
    schema_version: 2,
    request_id: `req_${String(made).padStart(22, '0')}`,
    event_time_ms: AT_MS,
    outcome: 'ok',
    tenant_id: 'acme',
    team_id: 'search',
    project_id: 'web',
    virtual_key_id: 'vk_1',
    feature: 'answers',
    cost_center: null,
    customer_id: null,
    user_id: null,
    use_case: null,
    session_id: null,
    tags: null,
    dialect: 'openai-chat',
    model_alias: 'small',
    model: 'sim-small',
    provider: 'main',
    pool: 'main',
    tier: 'shared',
    stream: false,
    status: 200,
    error_code: null,
    denied_dimension: null,
    denied_scope: null,
    input_tokens: 100,
    cached_input_tokens: null,
    output_tokens: 50,
    reasoning_tokens: null,
    cost_nano_usd: 1_000,
    price_version: 'p1',
    held_nano_usd: 0,
    held_tokens: 0,
    estimated: false,
    attempts: 1,
    ttft_ms: 200,
    duration_ms: 900,
    overhead_ms: 5,
    policy_version: 1,
    period: '2026-11',
    ...fields,
  });
}
