/** What a call may take and whose it is: its size, its bound and its tags, read off its body and headers. */
import type { Call } from './dialects/call.ts';
import { GatewayError } from './errors.ts';
import { boundOf, type CallSize } from './limits/bound.ts';
import type { Demand } from './limits/reserve.ts';
import type { Selection } from './routing/select-routes.ts';
import type { Caller, Headers } from './tenancy/authenticate.ts';
import { TAGS_HEADER } from './tenancy/tag-rules.ts';
import { resolveTags, type Tags } from './tenancy/tags.ts';

export interface SizedCall {
  readonly call: Call;
  readonly selection: Selection;
  readonly bodyBytes: number;
}

/** Throws GatewayError `invalid_request` where the caller's maximum is above what the model can do. */
export function sizeOf({ call, selection, bodyBytes }: SizedCall): CallSize {
  return {
    bodyBytes,
    tokensBesideText: call.tokensBesideText,
    cacheWrites: call.cacheWrites,
    maxOutputTokens: outputLimit(call, selection),
    choices: call.choices,
  };
}

/** What a call of the size may take at most. A count takes neither tokens nor money. */
export function demandOf(
  size: CallSize,
  { call, selection }: Omit<SizedCall, 'bodyBytes'>,
): Demand {
  return call.task === 'count-tokens' ? NOTHING : boundOf(size, selection.routes);
}

const NOTHING = { nanoUsd: 0, inputTokens: 0, outputTokens: 0 };

export function tagsOf(
  headers: Headers,
  { caller, call }: { readonly caller: Caller; readonly call: Call },
): Tags {
  const { key, team, policy } = caller;
  return resolveTags({
    metadata: call.tags,
    header: headers[TAGS_HEADER],
    endUser: call.endUser,
    key,
    costCenter: team.costCenter,
    rules: [policy.tenants?.[key.tenantId]?.tagRules, team.tagRules],
  });
}

/** The caller's maximum, or the policy's default. */
function outputLimit(call: Call, { model }: Selection): number {
  const asked = call.maxOutputTokens;
  if (asked === undefined) return model.defaultMaxOutputTokens;
  if (asked <= model.maxOutputTokens) return asked;
  throw new GatewayError(
    'invalid_request',
    `The model '${model.alias}' gives at most ${model.maxOutputTokens} output tokens.`,
    { param: 'max_tokens' },
  );
}
