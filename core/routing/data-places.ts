/**
 * Where a tenant's data may go. Every rule that is given holds at once; what a rule cannot be shown to allow it
 * forbids: a provider without a region is in none, and one without a label has none.
 */
import type { DataPlaces, PolicySnapshot, Route } from '../catalog/snapshot.ts';

export function mayReceive(
  { providers }: Pick<PolicySnapshot, 'providers'>,
  { regions, providers: allowed, labels }: DataPlaces,
  route: Route,
): boolean {
  const provider = Object.hasOwn(providers, route.provider) ? providers[route.provider] : undefined;
  if (provider === undefined) return false;
  if (allowed !== undefined && !allowed.includes(provider.id)) return false;
  if (regions !== undefined && !regions.includes(placeOf(route, provider.region) ?? ''))
    return false;
  return labels === undefined || labels.every((label) => provider.labels?.includes(label) === true);
}

/** A profile of Bedrock computes in any region of its geography, wherever the call was signed for. */
const PROFILE = /^(global|us-gov|us|eu|apac|au|jp|ca|in)\.[a-z0-9-]+\./;
const PROFILE_RESOURCE = /:(?:application-)?inference-profile\//;

function placeOf({ model }: Route, region: string | undefined): string | undefined {
  // What is behind a profile's own resource name cannot be read off it.
  if (PROFILE_RESOURCE.test(model)) return PROFILE.exec(model.split('/').at(-1) ?? '')?.[1];
  return PROFILE.exec(model)?.[1] ?? region;
}
