/** Rules on the tags of calls, by tenant and by team: both hold. A tag that a key pins is under them as any other. */
import type { TagRules } from '../catalog/snapshot.ts';
import { GatewayError } from '../errors.ts';

export const TAGS_HEADER = 'x-tollgate-tags';

/** Throws GatewayError `invalid_request` that names the tag. */
export function checkTags(
  tags: ReadonlyMap<string, string>,
  rules: readonly (TagRules | undefined)[],
): void {
  for (const rule of rules) {
    if (rule === undefined) continue;
    for (const name of rule.required) if (!tags.has(name)) throw missing(name);
    for (const [name, allowed] of Object.entries(rule.allowedValues)) {
      const value = tags.get(name);
      if (value !== undefined && !allowed.some((pattern) => fits(value, pattern)))
        throw notAllowed(name, allowed);
    }
  }
}

/** No regular expressions: whoever may write rules could stop the gateway with one. */
function fits(value: string, pattern: string): boolean {
  return pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : value === pattern;
}

function missing(name: string): GatewayError {
  const message = `Calls of this team carry the tag '${name}': send it in the header ${TAGS_HEADER}, as ${name}=value.`;
  return new GatewayError('invalid_request', message, { param: TAGS_HEADER });
}

const MAX_NAMED = 20;

function notAllowed(name: string, allowed: readonly string[]): GatewayError {
  const more = allowed.length > MAX_NAMED ? ', ...' : '';
  const message = `The tag '${name}' is one of: ${allowed.slice(0, MAX_NAMED).join(', ')}${more}.`;
  return new GatewayError('invalid_request', message, { param: TAGS_HEADER });
}
