/**
 * Which routes a caller may use for a model name, in order of preference. Decides access, calls nobody. What is
 * selected here is all that a call may ever be sent to, so a route that is forbidden is no fallback either.
 */
import type { KeyRecord, ModelAlias, PolicySnapshot, Route, Team } from '../catalog/snapshot.ts';
import type { EpochMs } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { hasLimits } from '../limits/schedule.ts';
import { teamKey } from '../tenancy/scopes.ts';
import { mayReceive } from './data-places.ts';
import { isRetired, MAX_REDIRECTS } from './deprecation.ts';

/** Attempts at most for one call, so that an outage is not multiplied by retries. */
const MAX_ROUTES = 3;

/** Whose calls are routed: the parts of a caller that say what it may use. */
export interface Access {
  readonly key: KeyRecord;
  readonly team: Team;
  readonly policy: PolicySnapshot;
}

export interface Selection {
  readonly model: ModelAlias;
  readonly routes: readonly Route[];
  /** What the caller named, where that model is gone and another one serves. */
  readonly asked?: ModelAlias;
}

/** Throws GatewayError `model_not_found` or `model_not_allowed`. */
export function selectRoutes(access: Access, alias: string, nowMs: EpochMs): Selection {
  const asked = modelOf(access.policy, alias);
  if (asked === undefined)
    throw new GatewayError(
      'model_not_found',
      `The model '${alias.slice(0, 100)}' does not exist.`,
      { param: 'model' },
    );
  const model = serving(access, asked, nowMs);
  if (model === undefined) throw retired(access, asked);
  const routes = mayUse(access, asked) ? usableRoutes(access, model) : [];
  if (routes.length === 0)
    throw new GatewayError('model_not_allowed', `This API key may not use the model '${alias}'.`, {
      param: 'model',
    });
  const selection = { model, routes: routesOfOnePool(access.policy, routes).slice(0, MAX_ROUTES) };
  return model === asked ? selection : { ...selection, asked };
}

/** The models that the caller may call, in the policy's order. */
export function allowedModels(access: Access, nowMs: EpochMs): ModelAlias[] {
  return Object.values(access.policy.models).filter((asked) => {
    const model = serving(access, asked, nowMs);
    return model !== undefined && mayUse(access, asked) && usableRoutes(access, model).length > 0;
  });
}

/** Throws GatewayError `invalid_api_key` when the key's team is gone from the policy. */
export function teamOf(
  snapshot: PolicySnapshot,
  key: Pick<KeyRecord, 'tenantId' | 'teamId'>,
): Team {
  const team = snapshot.teams[teamKey(key.tenantId, key.teamId)];
  if (team === undefined)
    throw new GatewayError('invalid_api_key', 'The team of this API key no longer exists.');
  return team;
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

/** The model itself, or after its sunset the one that takes its calls; undefined where none does. */
function serving({ policy }: Access, asked: ModelAlias, nowMs: EpochMs): ModelAlias | undefined {
  let model: ModelAlias | undefined = asked;
  for (let step = 0; step <= MAX_REDIRECTS; step += 1) {
    if (model === undefined || !isRetired(model, nowMs)) return model;
    const { redirects, replacement = '' }: Partial<NonNullable<ModelAlias['deprecation']>> =
      model.deprecation ?? {};
    if (redirects !== true) return undefined;
    model = modelOf(policy, replacement);
  }
  return undefined;
}

/** Only who could have called it learns that it was there. */
function retired(access: Access, asked: ModelAlias): GatewayError {
  const { replacement, message } = asked.deprecation ?? {};
  const instead = replacement === undefined ? '' : ` Call '${replacement}' instead.`;
  const text = mayUse(access, asked)
    ? `The model '${asked.alias}' is no longer served.${instead}${message === undefined ? '' : ` ${message}`}`
    : `The model '${asked.alias}' does not exist.`;
  return new GatewayError('model_not_found', text, { param: 'model' });
}

function usableRoutes(access: Access, model: ModelAlias): readonly Route[] {
  if (!mayUse(access, model)) return [];
  const places = tenantOf(access)?.dataMayGoTo;
  if (places === undefined) return model.routes;
  return model.routes.filter((route) => mayReceive(access.policy, places, route));
}

/** Tenant, team and key each have a say, and the narrowest list holds. */
function mayUse(access: Access, { tier, alias }: ModelAlias): boolean {
  return [tenantOf(access), access.team, access.key].every(
    (level) => level?.tiers?.includes(tier) !== false && level?.models?.includes(alias) !== false,
  );
}

function tenantOf({ policy: { tenants = {} }, team: { tenantId } }: Access) {
  return Object.hasOwn(tenants, tenantId) ? tenants[tenantId] : undefined;
}

export function modelOf({ models }: PolicySnapshot, alias: string): ModelAlias | undefined {
  return Object.hasOwn(models, alias) ? models[alias] : undefined;
}
