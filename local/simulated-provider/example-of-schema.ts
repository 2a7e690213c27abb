import { z } from 'zod';

/** As much of JSON Schema as tools and structured answers are usually written in. */
const keywordsSchema = z.looseObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  const: z.json().optional(),
  enum: z.array(z.json()).min(1).optional(),
  minimum: z.number().optional(),
  exclusiveMinimum: z.number().optional(),
  maximum: z.number().optional(),
  multipleOf: z.number().positive().optional(),
  minLength: z.int().optional(),
  maxLength: z.int().optional(),
  format: z.string().optional(),
  minItems: z.int().max(100).optional(),
  items: z.unknown().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  allOf: z.array(z.unknown()).optional(),
  $ref: z.string().optional(),
});

export const jsonSchemaSchema = z.record(z.string(), z.unknown());
export type JsonSchema = z.infer<typeof jsonSchemaSchema>;

type Keywords = z.infer<typeof keywordsSchema>;
type Json = z.infer<ReturnType<typeof z.json>>;

const MAX_DEPTH = 12;

const FORMATS: Readonly<Record<string, string>> = {
  date: '2026-01-15',
  'date-time': '2026-01-15T12:00:00Z',
  time: '12:00:00Z',
  email: 'someone@example.com',
  uri: 'https://example.com/',
  uuid: '6ba7b810-9dad-41d1-80b4-00c04fd430c8',
};

/** The simplest value that satisfies the schema, always the same one. */
export function exampleOfSchema(schema: JsonSchema): Json {
  return example(schema, schema, 0);
}

function example(schema: unknown, root: JsonSchema, depth: number): Json {
  const parsed = keywordsSchema.safeParse(schema);
  if (!parsed.success || depth > MAX_DEPTH) return null;
  const keywords = parsed.data;
  if (keywords.const !== undefined) return keywords.const;
  if (keywords.enum !== undefined) return keywords.enum[0] ?? null;
  if (keywords.$ref !== undefined) return example(resolve(keywords.$ref, root), root, depth + 1);
  const choice = keywords.anyOf?.[0] ?? keywords.oneOf?.[0];
  if (choice !== undefined) return example(choice, root, depth + 1);
  if (keywords.allOf !== undefined) {
    return example(Object.assign({}, ...keywords.allOf), root, depth + 1);
  }
  return ofType(keywords, root, depth);
}

function ofType(keywords: Keywords, root: JsonSchema, depth: number): Json {
  const type = Array.isArray(keywords.type) ? keywords.type[0] : keywords.type;
  switch (type ?? (keywords.properties === undefined ? 'string' : 'object')) {
    case 'object':
      return Object.fromEntries(
        Object.entries(keywords.properties ?? {}).map(([name, property]) => [
          name,
          example(property, root, depth + 1),
        ]),
      );
    case 'array':
      return Array.from({ length: keywords.minItems ?? 1 }, () =>
        example(keywords.items, root, depth + 1),
      );
    case 'integer':
    case 'number':
      return exampleNumber(keywords);
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return exampleText(keywords);
  }
}

function exampleNumber({ minimum, exclusiveMinimum, maximum, multipleOf = 1 }: Keywords): number {
  const above = exclusiveMinimum === undefined ? undefined : exclusiveMinimum + multipleOf;
  const least = minimum ?? above ?? Math.min(1, maximum ?? 1);
  const rounded = Math.ceil(least / multipleOf) * multipleOf;
  return maximum !== undefined && rounded > maximum ? maximum : rounded;
}

function exampleText({ format, minLength = 0, maxLength = 1000 }: Keywords): string {
  const known = format === undefined ? undefined : FORMATS[format];
  return known ?? 'example'.padEnd(minLength, 'x').slice(0, maxLength);
}

/** Local references only: `#/$defs/name`. */
function resolve(reference: string, root: JsonSchema): unknown {
  return reference
    .replace(/^#\/?/, '')
    .split('/')
    .filter((step) => step !== '')
    .reduce<unknown>((value, step) => {
      const inside = typeof value === 'object' && value !== null && Object.hasOwn(value, step);
      return inside ? Reflect.get(value, step) : undefined;
    }, root);
}
