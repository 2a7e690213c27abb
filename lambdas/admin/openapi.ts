/** The OpenAPI document of the admin API, made of the same table that the router follows. */
import * as z from 'zod';
import { OBJECT_KINDS, schemaOf, unwrapped } from '../../core/governance/objects.ts';
import { OF_THE_RECORD } from '../../core/governance/permissions.ts';
import { adminRoute } from './admin-route.ts';
import type { AdminRoute } from './route.ts';

type Json = Record<string, unknown>;

const DOCUMENT_VERSION = '1';

/** The routes, with the one that shows the document of all of them. */
export function withDocument(routes: readonly AdminRoute[]): readonly AdminRoute[] {
  const all: AdminRoute[] = [...routes];
  const show = adminRoute({
    operation: 'showDocument',
    method: 'GET',
    path: '/openapi.json',
    summary: 'This document.',
    params: z.strictObject({}),
    query: z.strictObject({}),
    body: z.unknown(),
    answer: z.looseObject({ openapi: z.string() }),
    permission: 'policy:read',
    // It holds no data: whoever may sign in may read how to ask.
    target: () => OF_THE_RECORD,
    handle: async () => ({ status: 200, body: openApiDocument(all) }),
  });
  all.push(show);
  return all;
}

export function openApiDocument(routes: readonly AdminRoute[]): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    const path = route.path.replace('+}', '}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tollgate admin API',
      version: DOCUMENT_VERSION,
      description:
        'Objects are parts of the policy file under the same names; values may be JSON numbers and booleans or the file’s own texts. An etag is the version of the policy; If-Match makes a change of another version a 412.',
    },
    servers: [{ url: '/admin/v1' }],
    security: [{ adminKey: [] }],
    paths,
    components: {
      securitySchemes: { adminKey: { type: 'http', scheme: 'bearer' } },
      schemas: { ...componentsOf(), Error: ERROR },
    },
  };
}

const ERROR: Json = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { type: 'string' },
        message: { type: 'string' },
        errors: { type: 'array', items: { type: 'object' } },
      },
    },
  },
};

function operationOf(route: AdminRoute): Json {
  const parameters = [
    ...parametersIn('path', schemaJson(route.params)),
    ...parametersIn('query', schemaJson(route.query)),
    ...(route.method === 'GET' ? [] : CHANGE_HEADERS),
  ];
  const answer = { 'application/json': { schema: schemaJson(route.answer, 'output') } };
  return {
    operationId: route.operation,
    summary: route.summary,
    parameters,
    ...bodyOf(route),
    responses: {
      '2XX': { description: 'Done.', content: answer },
      default: {
        description: 'Refused; nothing was changed.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
}

const CHANGE_HEADERS: readonly Json[] = [
  header('if-match', 'The etag that the change was made for.'),
  header('x-tollgate-reason', 'Why; kept in the audit log.'),
];

function header(name: string, description: string): Json {
  return { name, in: 'header', required: false, description, schema: { type: 'string' } };
}

function bodyOf(route: AdminRoute): Json {
  const schema = schemaJson(route.body);
  if (route.method === 'GET' || Object.keys(schema).length === 0) return {};
  const type = route.text ?? 'application/json';
  return { requestBody: { required: true, content: { [type]: { schema } } } };
}

function parametersIn(place: 'path' | 'query', schema: Json): readonly Json[] {
  const { properties = {}, required = [] } = shape.parse(schema);
  return Object.entries(properties).map(([name, each]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: each,
  }));
}

const shape = z.looseObject({
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
});

/**
 * The file's own schemas. Their leaves are texts; JSON may say numbers and booleans instead. What several objects
 * share is written once, under the name of the first.
 */
function componentsOf(): Json {
  const schemas = OBJECT_KINDS.map((kind) => [kind.name, unwrapped(schemaOf(kind))] as const);
  const names = new Map<z.core.$ZodType, string>(
    schemas.toReversed().map(([name, schema]) => [schema, name]),
  );
  const named = (own: string) => (context: LeafContext) => {
    readLeaf(context);
    const other = names.get(context.zodSchema);
    if (other === undefined || (other === own && context.path.length === 0)) return;
    for (const key of Object.keys(context.jsonSchema))
      Reflect.deleteProperty(context.jsonSchema, key);
    Object.assign(context.jsonSchema, { $ref: `#/components/schemas/${other}` });
  };
  return Object.fromEntries(
    schemas.map(([name, schema]) => [name, schemaJson(schema, 'input', named(name))]),
  );
}

function readLeaf({ zodSchema, jsonSchema }: LeafContext): void {
  if (!(zodSchema instanceof z.ZodString)) return;
  const expected = zodSchema.safeParse(undefined).error?.issues[0]?.message;
  Object.assign(jsonSchema, { type: ['string', 'number', 'boolean'] });
  if (expected !== undefined) Object.assign(jsonSchema, { description: expected });
}

interface LeafContext {
  readonly zodSchema: z.core.$ZodType;
  readonly jsonSchema: object;
  readonly path: readonly (string | number)[];
}

function schemaJson(
  schema: z.ZodType,
  io: 'input' | 'output' = 'input',
  override: (context: LeafContext) => void = () => {},
): Json {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override,
  });
  return json;
}
