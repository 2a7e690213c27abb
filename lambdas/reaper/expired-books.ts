/** The ledger row of a call whose process died: what its key and its hold still tell of it. */
import type { Clock } from '../../core/clock.ts';
import { monthName } from '../../core/limits/periods.ts';
import type { OpenHold } from '../../core/limits/reap.ts';
import { scopeKeyOf } from '../../core/limits/shards.ts';
import { nanoUsd } from '../../core/money.ts';
import type { UsageSink } from '../../core/serve.ts';
import type { Directory, KeyDirectory } from '../../core/tenancy/authenticate.ts';
import { teamKey } from '../../core/tenancy/scopes.ts';
import { tagsOfKey } from '../../core/tenancy/tags.ts';
import { billedTo } from '../../core/usage/billing.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import { NO_USAGE_DETAIL, UNSAID, USAGE_SCHEMA_VERSION } from '../../core/usage/event-values.ts';

export interface ExpiredBooksPorts {
  readonly directory: KeyDirectory & Pick<Directory, 'policy'>;
  readonly usage: UsageSink;
  readonly clock: Clock;
}

/** Throws when the key is unknown, the policy is out of reach or the event cannot be stored: the hold then stays for the next round. */
export function createExpiredBooks({ directory, usage, clock }: ExpiredBooksPorts) {
  return async (accountKey: string, { hold }: OpenHold): Promise<void> => {
    const { owner } = hold;
    if (owner.kind !== 'lead') return;
    const key = await directory.findKeyById(scopeKeyOf(accountKey).replace(/^key\//, ''));
    if (key === undefined) throw new Error(`no record of the key of ${accountKey}`);
    const policy = await directory.policy();
    const month = Math.floor(hold.day / 100);
    const event: UsageEvent = {
      ...UNKNOWN,
      request_id: owner.requestId,
      // Holds live as long as the longest stream, so the call began about that long before the expiry.
      event_time_ms: Math.min(clock.nowMs(), hold.expiresAtSeconds * 1000),
      tenant_id: key.tenantId,
      team_id: key.teamId,
      project_id: key.projectId,
      virtual_key_id: key.keyId,
      ...tagsOfKey(key, policy.teams[teamKey(key.tenantId, key.teamId)]?.costCenter),
      model_alias: owner.alias,
      input_tokens: hold.inputTokens,
      output_tokens: hold.outputTokens,
      cost_nano_usd: hold.nanoUsd,
      ...billedTo(policy, key.tenantId, nanoUsd(hold.nanoUsd)),
      held_nano_usd: hold.nanoUsd,
      held_tokens: hold.inputTokens + hold.outputTokens,
      policy_version: owner.policyVersion ?? 0,
      period: monthName(month),
    };
    await usage.put(event);
  };
}

/** All that nobody knows any more. Real usage of the same request, should it turn up, replaces the row. */
const UNKNOWN = {
  schema_version: USAGE_SCHEMA_VERSION,
  outcome: 'expired',
  dialect: 'openai',
  model: null,
  provider: null,
  tier: 'unknown',
  stream: false,
  status: 0,
  error_code: null,
  denied_dimension: null,
  denied_scope: null,
  cached_input_tokens: 0,
  reasoning_tokens: null,
  price_version: 'held',
  estimated: true,
  attempts: 0,
  ttft_ms: null,
  duration_ms: 0,
  overhead_ms: null,
  ...NO_USAGE_DETAIL,
  ...UNSAID,
  soft_limits_crossed: null,
  attempt_id: null,
  trace_id: null,
  pool: null,
  fallback_from: null,
} as const;
