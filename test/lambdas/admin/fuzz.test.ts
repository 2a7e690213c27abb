import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as z from 'zod';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { SMALL_POLICY } from '../../core/policy/policy-texts.ts';
import { type AdminApi, startAdminApi } from '../../support/admin-api.ts';

const NOW_MS = Date.parse('2026-11-05T12:00:00Z');
let api: AdminApi;

beforeAll(async () => {
  api = await startAdminApi({ nowMs: () => NOW_MS });
  await api.ask('PUT /policy', SMALL_POLICY);
}, 30_000);
afterAll(() => api.close());

const id = fc.oneof(
  fc.constantFrom('acme', 'search', 'web', 'main', 'fast', 'finance', 'shared', 'web-1', 'new'),
  fc.constantFrom('a#b', '..', '.', 'a/b', '%2e%2e', '__proto__', 'constructor', '\u0000', 'é'),
  fc.constantFrom('\u{1f600}', '=cmd()', "' or 1=1", '\u0024{jndi:ldap://x}', 'x'.repeat(3000)),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const value = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('50K', '$5', 'search', 'web', 'main', 'true', 'UTC') },
  { weight: 2, arbitrary: fc.constantFrom(0, -1, 1.5, 2 ** 63, 1e300, true, null, '', [], {}) },
  fc.jsonValue({ maxDepth: 3 }),
  id,
);
/** Every name that the file knows anywhere, and some that it does not. */
const field = fc.constantFrom(
  ...new Set(JSON.stringify(schemaNames()).match(/[a-z0-9_]{3,}/g) ?? []),
  'role',
  '__proto__',
  'constructor',
  'version',
);
const body = fc.oneof(
  fc.dictionary(field, fc.oneof(value, fc.dictionary(field, value, { maxKeys: 3 })), {
    maxKeys: 5,
    noNullPrototype: true,
  }),
  value,
  fc.string({ maxLength: 40 }),
  fc.constantFrom(
    SMALL_POLICY,
    '{"a":1',
    '{"limits":{"daily_quota":1e309}}',
    '[[[[',
    '{"__proto__":{"x":1}}',
    '\ufeff{}',
    'null',
  ),
);
const query = fc.dictionary(
  fc.constantFrom('limit', 'cursor', 'dry_run', '__proto__', 'x'),
  fc.oneof(fc.constantFrom('true', '1', '-1', '501', '1e9', 'W10'), fc.string({ maxLength: 8 })),
  { maxKeys: 2, noNullPrototype: true },
);

it('answers any request on any route without a fault, and changes nothing without saying so', async () => {
  const seen = new Map<number, number>();
  const operations = new Set<string>();
  let before = await stateOf();
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.array(id, { minLength: 4, maxLength: 4 }),
      body,
      query,
      fc.option(fc.constantFrom('"1"', '*', 'x', '""'), { nil: undefined }),
      async (pick, ids, sent, asked, ifMatch) => {
        const route = api.routes[pick % api.routes.length];
        if (route === undefined) throw new Error('no route');
        operations.add(route.operation);
        let next = 0;
        const path = route.path.replace(/\{\w+\+?\}/g, () =>
          encodeURIComponent((ids[next++] ?? '').toWellFormed()),
        );
        const options = { query: asked, ...(ifMatch === undefined ? {} : { ifMatch }) };
        const answer = await api.ask(`${route.method} ${path}`, sent, options);
        expect(answer.status).toBeLessThan(500);
        expect(JSON.stringify(answer.body).length).toBeGreaterThan(1);
        const after = await stateOf();
        if (answer.status >= 300) {
          expect(after).toBe(before);
          z.object({ error: z.looseObject({ code: z.string(), message: z.string() }) }).parse(
            answer.body,
          );
        }
        before = after;
        seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
      },
    ),
    { numRuns: 2_000 },
  );
  // A fuzz that is always refused at the door proves little.
  for (const status of [200, 400, 404]) expect(seen.get(status) ?? 0).toBeGreaterThan(20);
  expect(operations.size).toBe(api.routes.length);
  expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('x');
}, 120_000);

/** What is in force, as a text. */
async function stateOf(): Promise<string> {
  const pointer = await api.writer.policies.pointer();
  const version = await api.writer.policies.version(pointer?.version ?? 0);
  return JSON.stringify(version.tree);
}

function schemaNames(): unknown {
  const parsed = parsePolicy(SMALL_POLICY, 'policy.yaml');
  if (parsed.kind === 'invalid') throw new Error('the small policy is valid');
  return [
    parsed.policy,
    'requests_per_minute concurrent_requests daily_budget schedules tiers models owner routes',
    'secret expires project team limits kind base_url price free price_book email slack',
  ];
}
