/** `GET /v1/models`: exactly the models that this key may call, in OpenAI's shape. */
import type { ModelAlias } from './catalog/snapshot.ts';
import { GatewayError } from './errors.ts';
import { type GatewayResponse, jsonResponse } from './response.ts';
import { allowedModels } from './routing/select-routes.ts';
import type { Ports } from './serve.ts';
import { assertActive } from './serve-usage.ts';
import type { Caller } from './tenancy/authenticate.ts';

export async function serveModels(
  ports: Pick<Ports, 'accounts'>,
  caller: Caller,
  requestId: string,
): Promise<GatewayResponse> {
  await assertActive(ports, caller);
  const data = allowedModels(caller.policy, caller.team).map(toModel);
  return jsonResponse(200, { object: 'list', data }, requestId);
}

export async function serveModel(
  ports: Pick<Ports, 'accounts'>,
  caller: Caller,
  { alias, requestId }: { alias: string; requestId: string },
): Promise<GatewayResponse> {
  await assertActive(ports, caller);
  const model = allowedModels(caller.policy, caller.team).find(
    (candidate) => candidate.alias === alias,
  );
  if (model === undefined)
    throw new GatewayError(
      'model_not_found',
      `The model '${alias.slice(0, 100)}' does not exist.`,
      { param: 'model' },
    );
  return jsonResponse(200, toModel(model), requestId);
}

function toModel({ alias, tier, contextTokens, maxOutputTokens }: ModelAlias): object {
  return {
    id: alias,
    object: 'model',
    created: 0,
    owned_by: 'tollgate',
    tier,
    context_window: contextTokens,
    max_output_tokens: maxOutputTokens,
  };
}
