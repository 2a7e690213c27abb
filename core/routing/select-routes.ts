/** Which routes a caller may use for a model name, in order of preference. Decides access, calls nobody. */
import type { KeyRecord, ModelAlias, PolicySnapshot, Route, Team } from '../catalog/snapshot.ts';
import { GatewayError } from '../errors.ts';
import { hasLimits } from '../limits/schedule.ts';
import { teamKey } from '../tenancy/scopes.ts';

/** Attempts at most for one call, so that an outage is not multiplied by retries. */
const MAX_ROUTES = 3;

export interface Selection {
  readonly model: ModelAlias;
  readonly routes: readonly Route[];
}

/** Throws GatewayError `model_not_found` or `model_not_allowed`. */
export function selectRoutes(snapshot: PolicySnapshot, team: Team, alias: string): Selection {
  const model = Object.hasOwn(snapshot.models, alias) ? snapshot.models[alias] : undefined;
  if (model === undefined)
    throw new GatewayError(
      'model_not_found',
      `The model '${alias.slice(0, 100)}' does not exist.`,
      { param: 'model' },
    );
  if (!mayUse(team, model))
    throw new GatewayError('model_not_allowed', `Your team may not use the model '${alias}'.`, {
      param: 'model',
    });
  return { model, routes: routesOfOnePool(snapshot, model.routes).slice(0, MAX_ROUTES) };
}

/**
 * The call reserves room in the first route's pool. A later route of that pool, or of one without limits,
 * needs no more than that; one of another limited pool has no room reserved, so it is not fallen back to.
 */
function routesOfOnePool({ providers }: PolicySnapshot, routes: readonly Route[]): Route[] {
  return routes.filter(
    ({ provider }) => provider === routes[0]?.provider || !hasLimits(providers[provider]?.limits),
  );
}

/** The models that the team may call, in the policy's order. */
export function allowedModels(snapshot: PolicySnapshot, team: Team): ModelAlias[] {
  return Object.values(snapshot.models).filter((model) => mayUse(team, model));
}

/** Throws GatewayError `invalid_api_key` when the key's team is gone from the policy. */
export function teamOf(snapshot: PolicySnapshot, key: KeyRecord): Team {
  const team = snapshot.teams[teamKey(key.tenantId, key.teamId)];
  if (team === undefined)
    throw new GatewayError('invalid_api_key', 'The team of this API key no longer exists.');
  return team;
}

function mayUse(team: Team, model: ModelAlias): boolean {
  return (
    team.tiers.includes(model.tier) &&
    (team.models === undefined || team.models.includes(model.alias))
  );
}
