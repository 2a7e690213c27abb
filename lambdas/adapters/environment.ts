/** The functions' environment, read once at start: a missing variable fails the start, not a request. */
import { ENV } from '../../core/names.ts';

type Variable = keyof typeof ENV;

/** Throws an Error that names every missing variable. */
export function readEnvironment<V extends Variable>(
  variables: readonly V[],
  source: Readonly<Record<string, string | undefined>> = process.env,
): Record<V, string> {
  const missing = variables.filter(
    (variable) => source[ENV[variable]] === undefined || source[ENV[variable]] === '',
  );
  if (missing.length > 0)
    throw new Error(
      `missing environment variables: ${missing.map((variable) => ENV[variable]).join(', ')}`,
    );
  const entries = variables.map((variable) => [variable, source[ENV[variable]] ?? '']);
  return Object.fromEntries(entries) as Record<V, string>;
}
