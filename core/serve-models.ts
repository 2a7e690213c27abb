/** `GET /v1/models`: exactly the models that this key may call, in the shape of the SDK that asks. */

import { assertActive } from './active-key.ts';
import type { ModelAlias } from './catalog/snapshot.ts';
import { GatewayError } from './errors.ts';
import { type GatewayResponse, jsonResponse } from './response.ts';
import { deprecationToWire } from './routing/deprecation.ts';
import { allowedModels } from './routing/select-routes.ts';
import type { GatewayRequest, Ports } from './serve.ts';
import type { Caller } from './tenancy/authenticate.ts';

type Asked = Pick<GatewayRequest, 'headers' | 'query' | 'requestId'>;

export async function serveModels(
  ports: Pick<Ports, 'accounts' | 'clock'>,
  caller: Caller,
  asked: Asked,
): Promise<GatewayResponse> {
  const { requestId, query = {} } = asked;
  await assertActive(ports, caller);
  const models = allowedModels(caller, ports.clock.nowMs());
  const answer = isAnthropic(asked)
    ? anthropicPage(models, query)
    : { object: 'list', data: models.map(openAiModel) };
  return jsonResponse(200, answer, requestId);
}

export async function serveModel(
  ports: Pick<Ports, 'accounts' | 'clock'>,
  caller: Caller,
  { alias, request }: { alias: string; request: Asked },
): Promise<GatewayResponse> {
  await assertActive(ports, caller);
  const model = allowedModels(caller, ports.clock.nowMs()).find(
    (candidate) => candidate.alias === alias,
  );
  if (model === undefined)
    throw new GatewayError(
      'model_not_found',
      `The model '${alias.slice(0, 100)}' does not exist.`,
      { param: 'model' },
    );
  const answer = isAnthropic(request) ? anthropicModel(model) : openAiModel(model);
  return jsonResponse(200, answer, request.requestId);
}

/** Its SDKs always send the version. */
function isAnthropic({ headers }: Asked): boolean {
  return headers['anthropic-version'] !== undefined;
}

function openAiModel(model: ModelAlias): object {
  const { alias, tier, contextTokens, maxOutputTokens } = model;
  return {
    id: alias,
    object: 'model',
    created: 0,
    owned_by: 'tollgate',
    tier,
    context_window: contextTokens,
    max_output_tokens: maxOutputTokens,
    ...deprecationToWire(model),
  };
}

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 1_000;

/** A page of the list, after or before a model that the caller names. Source: Anthropic API reference, "List Models". */
function anthropicPage(
  models: readonly ModelAlias[],
  { after_id, before_id, limit }: NonNullable<Asked['query']>,
): object {
  const size = limitOf(limit);
  const from = after_id === undefined ? 0 : indexOf(models, after_id, 'after_id') + 1;
  const to = before_id === undefined ? models.length : indexOf(models, before_id, 'before_id');
  const range = models.slice(from, to);
  // Before a model means the nearest ones before it.
  const page = before_id === undefined ? range.slice(0, size) : range.slice(-size);
  return {
    data: page.map(anthropicModel),
    has_more: range.length > page.length,
    first_id: page[0]?.alias ?? null,
    last_id: page.at(-1)?.alias ?? null,
  };
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_LIMIT;
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new GatewayError('invalid_request', `'limit' is a number from 1 to ${MAX_LIMIT}.`, {
    param: 'limit',
  });
}

function indexOf(models: readonly ModelAlias[], id: string, param: string): number {
  const index = models.findIndex(({ alias }) => alias === id);
  if (index >= 0) return index;
  throw new GatewayError('invalid_request', `'${param}' names no model of this key.`, { param });
}

/** When a model was released is not the gateway's to know: the epoch says so, as in Anthropic's own API. */
function anthropicModel(model: ModelAlias): object {
  const { alias, contextTokens, maxOutputTokens } = model;
  return {
    type: 'model',
    id: alias,
    display_name: alias,
    created_at: '1970-01-01T00:00:00Z',
    max_input_tokens: contextTokens,
    max_tokens: maxOutputTokens,
    ...deprecationToWire(model),
  };
}
