import { readFileSync } from 'node:fs';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, it } from 'vitest';
import * as z from 'zod';
import { createAuditLog } from '../../../lambdas/adapters/audit-log.ts';
import { createGovernance } from '../../../lambdas/admin/governance-ports.ts';
import { openApiDocument } from '../../../lambdas/admin/openapi.ts';
import { adminRoutes } from '../../../lambdas/admin/routes.ts';

const PAGE = '../../../docs/openapi.json';
/** The validator takes a dynamic reference for one to the whole document; the schemas in it are compiled by the next test. */
const fixture: unknown = JSON.parse(
  readFileSync('test/fixtures/openapi/schema-3.1.json', 'utf8').replaceAll(
    '"$dynamicRef": "#meta"',
    '"$ref": "#/$defs/schema"',
  ),
);
/** Nothing is asked of what stands behind the routes. */
const nothing = (): never => {
  throw new Error('not asked');
};
const client = new DynamoDBClient({ region: 'us-east-1' });
const clock = { nowMs: nothing };
const audit = createAuditLog({
  client,
  tableName: 'audit',
  objects: { putIfAbsent: nothing },
  clock,
  report: nothing,
});
const { ports, requests, writer } = createGovernance({
  client,
  catalogTable: 'catalog',
  accountsTable: 'accounts',
  rollupsTable: 'rollups',
  audit,
  clock,
});
const routes = adminRoutes({
  ...ports,
  requests: {
    ...requests,
    athena: { run: nothing },
    place: { region: 'us-east-1', logGroup: '/proxy', traceBucket: undefined },
  },
  ledger: {
    writer,
    clock,
    athena: { run: nothing },
    open: nothing,
    files: { read: nothing, write: nothing },
    closedMonths: { through: nothing, closeThrough: nothing },
  },
});
const document = openApiDocument(routes);

it('is a valid OpenAPI 3.1 document', () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  const validate = ajv.compile(z.record(z.string(), z.unknown()).parse(fixture));
  expect(validate(document) ? [] : validate.errors).toEqual([]);
  const broken = { ...document, info: { title: 'no version' } };
  expect(validate(broken)).toBe(false);
});

it('has schemas that a validator understands, and every reference leads somewhere', () => {
  const text = JSON.stringify(document);
  const { components, paths } = z
    .looseObject({
      components: z.looseObject({ schemas: z.record(z.string(), z.looseObject({})) }),
      paths: z.record(z.string(), z.record(z.string(), z.looseObject({ operationId: z.string() }))),
    })
    .parse(document);
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'document', components });
  for (const name of Object.keys(components.schemas))
    ajv.compile({ $ref: `document#/components/schemas/${name}` });
  for (const [, name = ''] of text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g))
    expect(Object.keys(components.schemas)).toContain(name);
  const operations = Object.values(paths).flatMap((path) => Object.values(path));
  const ids = operations.map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.toSorted()).toEqual(routes.map(({ operation }) => operation).toSorted());
});

it('describes an object as the policy file does', () => {
  const { components } = z.looseObject({ components: z.looseObject({}) }).parse(document);
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const refs = JSON.parse(JSON.stringify(components).replaceAll('"#/', '"document#/'));
  ajv.addSchema({ $id: 'document', components: refs });
  const team = ajv.compile({ $ref: 'document#/components/schemas/Team' });
  const limits = { requests_per_minute: 60, monthly_budget: '$5' };
  expect(team({ owner: 'Ada', limits })).toBe(true);
  expect(team({ owner: 'Ada', limits: { rpm: 60 } })).toBe(false);
  expect(team({})).toBe(false);
});

/** `vitest run test/lambdas/admin/openapi.test.ts --update` writes the copy. */
it('is the committed copy', async () => {
  await expect(`${JSON.stringify(document, null, 2)}\n`).toMatchFileSnapshot(PAGE);
});
