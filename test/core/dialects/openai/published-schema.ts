import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';

const URL_OF_SCHEMAS = new URL('../../../fixtures/openai/chat-schemas.json', import.meta.url);

/** What is wrong with the value by a component of OpenAI's published document; empty when nothing is. */
export function schemaErrors(component: string, value: unknown): string[] {
  const validate = ajv.getSchema(`openai#/components/schemas/${component}`);
  if (validate === undefined) throw new Error(`no such component: ${component}`);
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

const ajv = new Ajv({
  strict: false,
  allErrors: true,
  formats: { unixtime: true, float: true, uri: (text) => URL.canParse(text) },
});
ajv.addSchema(
  { $id: 'openai', ...withNulls(JSON.parse(readFileSync(URL_OF_SCHEMAS, 'utf8'))) },
  'openai',
);

/** The document still says `nullable` in places, which JSON Schema does not know. */
function withNulls(value: unknown): object {
  const { nullable, ...schema } = Object.fromEntries(
    Object.entries(value ?? {}).map(([name, item]) => [name, converted(item)]),
  );
  return nullable === true ? { anyOf: [schema, { type: 'null' }] } : schema;
}

function converted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(converted);
  return typeof value === 'object' && value !== null ? withNulls(value) : value;
}
