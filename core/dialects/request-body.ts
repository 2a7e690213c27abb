/** What all dialects do to a caller's body: bytes to JSON within bounds, and a clear word about what is wrong. */
import * as z from 'zod/mini';
import { GatewayError } from '../errors.ts';

/** Schemas of tools are the deepest that callers send; providers stop at far fewer. */
const MAX_DEPTH = 100;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A caller's body as it was read, and as it was written. */
export interface SentBody {
  readonly json: unknown;
  readonly bytes: Uint8Array;
  /** How many members the objects in `json` have, at all depths. */
  readonly names: number;
}

/** Throws GatewayError `invalid_request` for what is not JSON in UTF-8, or too deep to walk. */
export function parseJsonBody(bytes: Uint8Array): SentBody {
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(bytes));
  } catch {
    // The parser's own message quotes the body, and prompts stay out of logs.
    throw new GatewayError('invalid_request', 'The body is not valid JSON in UTF-8.');
  }
  return { json, bytes, names: countNames(json, MAX_DEPTH) };
}

/** Looks no deeper than the bound itself: what is deeper would overflow whoever walks or writes it. */
function countNames(value: unknown, levels: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (levels === 0)
    throw new GatewayError(
      'invalid_request',
      `The body is nested deeper than ${MAX_DEPTH} levels.`,
    );
  const values: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  let names = Array.isArray(value) ? 0 : values.length;
  for (const each of values) names += countNames(each, levels - 1);
  return names;
}

/**
 * Reads bodies by a strict schema whose fields change nothing of what they read. Looks at the fields that came and not
 * at all that may, of which a body has few; what does not fit is told by the schema. Throws GatewayError `invalid_request`.
 */
export function bodyReader<S extends z.core.$ZodShape>(
  schema: z.ZodMiniObject<S, z.core.$strict>,
  refusal = invalidField,
): (body: unknown) => z.output<typeof schema> {
  const fields = new Map<string, z.core.$ZodType>(Object.entries(schema.shape));
  const required = [...fields.keys()].filter((name) => !isValid(fields.get(name), undefined));
  const fits = (body: unknown): body is z.output<typeof schema> =>
    typeof body === 'object' &&
    body !== null &&
    required.every((name) => Object.hasOwn(body, name)) &&
    Object.entries(body).every(([name, value]) => isValid(fields.get(name), value));
  return (body) => {
    if (fits(body)) return body;
    const parsed = schema.safeParse(body);
    if (!parsed.success) throw refusal(parsed.error.issues[0]);
    return parsed.data;
  };
}

function isValid(field: z.core.$ZodType | undefined, value: unknown): boolean {
  return field !== undefined && z.safeParse(field, value).success;
}

/** The first thing that is wrong with the body, by the field's name. */
export function invalidField(issue: z.core.$ZodIssue | undefined): GatewayError {
  const param =
    issue === undefined
      ? undefined
      : issue.path
          .concat(issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [])
          .join('.')
          .slice(0, 200);
  const name = param === undefined || param === '' ? 'body' : param;
  return new GatewayError(
    'invalid_request',
    `Invalid value for '${name}': ${whatIsWrong(issue)}.`,
    {
      param: name,
    },
  );
}

function whatIsWrong(issue: z.core.$ZodIssue | undefined): string {
  if (issue?.code === 'unrecognized_keys') return 'is not a field that this gateway forwards';
  const message = issue?.message ?? 'is not valid';
  return message.endsWith('received undefined') ? 'is required' : message.slice(0, 200);
}
