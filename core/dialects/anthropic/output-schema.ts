/**
 * A JSON schema as Anthropic's structured outputs take it: objects are closed, and bounds that their
 * grammar does not know are told to the model in the description instead.
 * Source: Anthropic, "Structured outputs", JSON schema limitations (2026).
 */
type Schema = Readonly<Record<string, unknown>>;

const BOUNDS: ReadonlySet<string> = new Set([
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
]);
const NAMED: ReadonlySet<string> = new Set(['properties', '$defs', 'definitions']);
const LISTS: ReadonlySet<string> = new Set(['anyOf', 'allOf', 'oneOf']);

/** `softened` are the bounds that the schema no longer enforces. */
export function outputSchema(schema: Schema): { schema: Schema; softened: readonly string[] } {
  const softened = new Set<string>();
  return { schema: toGrammar(schema, softened), softened: [...softened].sort() };
}

function toGrammar(schema: Schema, softened: Set<string>): Schema {
  const kept: Record<string, unknown> = {};
  const told: string[] = [];
  for (const [keyword, value] of Object.entries(schema)) {
    const isOne = keyword === 'minItems' && (value === 0 || value === 1);
    if (BOUNDS.has(keyword) && !isOne) {
      softened.add(keyword);
      told.push(`${keyword}: ${JSON.stringify(value)}`);
    } else kept[keyword] = partOf(keyword, value, softened);
  }
  if (isClosable(schema)) kept['additionalProperties'] = false;
  if (told.length > 0) {
    const said = typeof schema['description'] === 'string' ? `${schema['description']} ` : '';
    kept['description'] = `${said}(${told.join(', ')})`;
  }
  return kept;
}

function partOf(keyword: string, value: unknown, softened: Set<string>): unknown {
  const inner = (each: unknown) => (isSchema(each) ? toGrammar(each, softened) : each);
  if (keyword === 'items') return inner(value);
  if (LISTS.has(keyword) && Array.isArray(value)) return value.map(inner);
  if (NAMED.has(keyword) && isSchema(value))
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, inner(each)]));
  return value;
}

function isClosable({ type, additionalProperties }: Schema): boolean {
  const isObject = type === 'object' || (Array.isArray(type) && type.includes('object'));
  return isObject && additionalProperties === undefined;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
