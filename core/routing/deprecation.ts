/**
 * Models that go. Before its sunset a model serves as ever and says in headers that it will not; after it, its calls
 * are refused with the replacement's name or go there, as the policy says.
 */
import type { Deprecation, ModelAlias } from '../catalog/snapshot.ts';
import type { EpochMs } from '../clock.ts';

/** Names of one model after another that calls may be sent along, so that a circle of them ends. */
export const MAX_REDIRECTS = 4;

export function isRetired({ deprecation }: ModelAlias, nowMs: EpochMs): boolean {
  return deprecation?.sunsetMs !== undefined && deprecation.sunsetMs <= nowMs;
}

/** Sources: RFC 9745 (Deprecation), RFC 8594 (Sunset). */
export function deprecationHeaders(asked: ModelAlias): Record<string, string> {
  const { deprecation } = asked;
  if (deprecation === undefined) return {};
  const { onMs, sunsetMs } = deprecation;
  return {
    deprecation: `@${Math.floor(onMs / 1000)}`,
    ...(sunsetMs === undefined ? {} : { sunset: new Date(sunsetMs).toUTCString() }),
    'x-tollgate-deprecated': deprecationText(asked.alias, deprecation),
  };
}

function deprecationText(alias: string, { sunsetMs, replacement, message }: Deprecation): string {
  const until = sunsetMs === undefined ? '' : ` until ${new Date(sunsetMs).toISOString()}`;
  const instead = replacement === undefined ? '' : `; call ${replacement} instead`;
  return `${alias} is deprecated${until}${instead}${message === undefined ? '' : `. ${message}`}`;
}

/** As the lists of models show it. */
export function deprecationToWire({ deprecation }: ModelAlias): object {
  if (deprecation === undefined) return {};
  const { onMs, sunsetMs, replacement, message } = deprecation;
  return {
    deprecated: {
      on: new Date(onMs).toISOString(),
      sunset: sunsetMs === undefined ? null : new Date(sunsetMs).toISOString(),
      replacement: replacement ?? null,
      message: message ?? null,
    },
  };
}
