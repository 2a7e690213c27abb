import { DeleteItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { policyVersionKey } from '../../../core/catalog/catalog-items.ts';
import { hashKey, newVirtualKey } from '../../../core/tenancy/virtual-key.ts';
import { createDynamoDirectory } from '../../../lambdas/adapters/dynamo-directory.ts';
import { overSdk } from '../../../lambdas/adapters/dynamo-sdk.ts';
import { SMALL_POLICY } from '../../core/policy/policy-texts.ts';
import { type AdminApi, startAdminApi } from '../../support/admin-api.ts';
import { TABLES } from '../../support/control-plane.ts';

const NOW_MS = Date.parse('2026-11-05T12:00:00Z');
let api: AdminApi;
let nowMs = NOW_MS;
/** What a look at the clock takes. */
let tickMs = 0;
const clock = {
  nowMs: () => {
    nowMs += tickMs;
    return nowMs;
  },
};

beforeAll(async () => {
  api = await startAdminApi(clock);
}, 30_000);
afterAll(() => api.close());

const apply = (text: string, options = {}) => api.ask('PUT /policy', text, options);
const versionIn = (body: object) => z.looseObject({ version: z.number() }).parse(body).version;
const SEARCH = '/tenants/acme/teams/search';

describe('before there is a policy', () => {
  it('shows none, lists nothing, and makes no object without a file', async () => {
    expect((await api.ask('GET /policy')).status).toBe(404);
    expect(await api.ask('GET /models')).toMatchObject({ status: 200, body: { items: [] } });
    expect((await api.ask(`PUT ${SEARCH}`, { owner: 'x' })).status).toBe(404);
    expect((await api.ask('POST /policy/rollout')).status).toBe(404);
  });
});

describe('a policy file', () => {
  it('is in force with its accounts once it is applied', async () => {
    const answer = await apply(SMALL_POLICY);
    expect(answer).toMatchObject({
      status: 200,
      version: 1,
      body: { version: 1, rollout: { done: 1, total: 1 }, changes: expect.any(Array) },
    });
    const shown = await api.ask('GET /policy');
    expect(shown.body).toEqual({
      version: 1,
      source: SMALL_POLICY,
      fileVersion: 1,
      drift: [],
      isRolledOut: true,
    });
    const team = { kind: 'team', tenantId: 'acme', teamId: 'search' } as const;
    expect((await api.writer.account(team))?.plan).toMatchObject({ tokensPerMinute: 50_000 });
  });

  it('changes nothing with an error in it, and tells each error with line and path', async () => {
    const answer = await apply(SMALL_POLICY.replace('50K', 'many').replace('$100', 'much'));
    expect(answer).toMatchObject({
      status: 400,
      body: {
        error: {
          code: 'invalid_policy',
          errors: [
            { line: 36, path: 'tenants.acme.teams.search.limits.tokens_per_minute' },
            { line: 37, path: 'tenants.acme.teams.search.limits.monthly_budget', found: '"much"' },
          ],
        },
      },
    });
    expect(versionIn((await api.ask('GET /policy')).body)).toBe(1);
  });

  it('is planned first: what changes, which accounts, which keys, which limits are below use', async () => {
    const text = SMALL_POLICY.replace('50K', '60K').replace('$100', '$50');
    const answer = await api.ask('POST /policy/plan', text);
    expect(answer).toMatchObject({
      status: 200,
      body: {
        changes: [
          { kind: 'change', path: 'tenants.acme.teams.search.limits.monthly_budget' },
          { kind: 'change', before: '50K', after: '60K' },
        ],
        drift: [],
        consequences: { accounts: 1, keysRevoked: [], keysOrphaned: [], limitsBelowUse: [] },
      },
    });
    expect((await apply(text, { query: { dry_run: 'true' } })).body).toEqual(answer.body);
    expect(versionIn((await api.ask('GET /policy')).body)).toBe(1);
  });

  it('names the keys that would lose their project', async () => {
    const made = await api.ask('POST /keys', {
      tenantId: 'acme',
      teamId: 'search',
      projectId: 'web',
      owner: 'Ada',
    });
    const { keyId } = z.looseObject({ keyId: z.string() }).parse(made.body);
    const text = SMALL_POLICY.replaceAll('web:', 'site:').replace('project: web', 'project: site');
    const { body } = await api.ask('POST /policy/plan', text);
    expect(body).toMatchObject({ consequences: { keysOrphaned: [keyId] } });
  });

  it('wins or is told, when two come at once', async () => {
    const answers = await Promise.all(
      [1, 2, 3].map((each) => apply(SMALL_POLICY.replace('$100', `$10${each}`))),
    );
    const statuses = answers.map(({ status }) => status).toSorted();
    expect(statuses[0]).toBe(200);
    expect(statuses.slice(1).every((status) => status === 200 || status === 409)).toBe(true);
    const won = answers.filter(({ status }) => status === 200).map(({ body }) => versionIn(body));
    expect(new Set(won).size).toBe(won.length);
    expect(versionIn((await api.ask('GET /policy')).body)).toBe(Math.max(...won));
  });

  it('is not applied over another version than the one it was made for', async () => {
    const { version } = await api.ask('GET /policy');
    expect(await apply(SMALL_POLICY, { ifMatch: '"1"' })).toMatchObject({ status: 412, version });
    expect((await apply(SMALL_POLICY, { ifMatch: `"${version}"` })).status).toBe(200);
    expect((await apply(SMALL_POLICY, { ifMatch: 'yesterday' })).status).toBe(400);
  });
});

describe('an object', () => {
  it('is shown, made, changed and removed by its address, in JSON or in the file’s texts', async () => {
    await apply(SMALL_POLICY);
    expect((await api.ask(`GET ${SEARCH}`)).body).toMatchObject({ owner: 'Ada' });
    const path = '/tenants/acme/teams/new';
    const made = await api.ask(`PUT ${path}`, { owner: 'Bo', limits: { requests_per_minute: 60 } });
    expect(made).toMatchObject({
      status: 200,
      body: { rollout: { done: 1, total: 1 }, changes: [{ kind: 'add' }] },
    });
    expect((await api.ask(`PATCH ${path}`, { limits: { daily_budget: '$5' } })).status).toBe(200);
    expect((await api.ask(`GET ${path}`)).body).toEqual({
      owner: 'Bo',
      limits: { requests_per_minute: '60', daily_budget: '$5' },
    });
    expect((await api.ask(`PUT ${path}/limits`, { concurrent_requests: 2 })).status).toBe(200);
    expect((await api.ask(`GET ${path}/limits`)).body).toEqual({ concurrent_requests: '2' });
    const team = { kind: 'team', tenantId: 'acme', teamId: 'new' } as const;
    expect((await api.writer.account(team))?.plan).toEqual({ concurrentRequests: 2 });
    expect((await api.ask(`DELETE ${path}`)).status).toBe(200);
    expect((await api.ask(`GET ${path}`)).status).toBe(404);
  });

  it('appears as drift, which the next file takes back', async () => {
    await apply(SMALL_POLICY);
    await api.ask(`PATCH ${SEARCH}`, { owner: 'Eve' });
    const drift = [
      { kind: 'change', path: 'tenants.acme.teams.search.owner', before: 'Ada', after: 'Eve' },
    ];
    expect((await api.ask('GET /policy')).body).toMatchObject({ drift });
    expect((await api.ask('POST /policy/plan', SMALL_POLICY)).body).toMatchObject({
      drift,
      changes: [{ before: 'Eve', after: 'Ada' }],
    });
    await apply(SMALL_POLICY);
    expect((await api.ask('GET /policy')).body).toMatchObject({ drift: [] });
  });

  it('stays while others name it, and they are named', async () => {
    expect(await api.ask('DELETE /providers/main')).toMatchObject({
      status: 409,
      body: {
        error: {
          code: 'still_referenced',
          errors: [
            { path: 'models.fast.routes[0].provider' },
            { path: 'models.clever.routes[0].provider' },
          ],
        },
      },
    });
  });

  it('is refused with unknown fields, each by name', async () => {
    expect(await api.ask(`PATCH ${SEARCH}`, { role: 'root', limits: { rpm: 1 } })).toMatchObject({
      status: 400,
      body: {
        error: {
          errors: [
            { path: 'tenants.acme.teams.search.limits.rpm' },
            { path: 'tenants.acme.teams.search.role' },
          ],
        },
      },
    });
    expect((await api.ask(`PUT ${SEARCH}`, [])).status).toBe(400);
    expect((await api.ask(`PUT ${SEARCH}`, '{')).status).toBe(400);
    expect((await api.ask(`GET ${SEARCH}`, undefined, { query: { all: '1' } })).status).toBe(400);
  });

  it('is changed by many at once without losing a change', async () => {
    const before = versionIn((await api.ask('GET /policy')).body);
    const answers = await Promise.all(
      [1, 2, 3, 4].map((each) => api.ask(`PUT /tenants/acme/teams/t${each}`, { owner: 'x' })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(versionIn((await api.ask('GET /policy')).body)).toBeGreaterThanOrEqual(before + 4);
    expect((await api.ask('GET /tenants/acme/teams')).body).toMatchObject({
      items: ['search', 't1', 't2', 't3', 't4'].map((id) => ({ id })),
    });
  });

  it('is listed in pages that miss nothing', async () => {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const query = { limit: '2', ...(cursor === undefined ? {} : { cursor }) };
      const { body } = await api.ask('GET /tenants/acme/teams', undefined, { query });
      const page = z.object({
        items: z.array(z.looseObject({ id: z.string() })).max(2),
        cursor: z.string().optional(),
      });
      const { items, cursor: next } = page.parse(body);
      seen.push(...items.map(({ id }) => id));
      cursor = next;
    } while (cursor !== undefined);
    expect(seen).toEqual(['search', 't1', 't2', 't3', 't4']);
    const wrong = { query: { limit: '501' } };
    expect((await api.ask('GET /tenants/acme/teams', undefined, wrong)).status).toBe(400);
    const broken = { query: { cursor: 'x' } };
    expect((await api.ask('GET /tenants/acme/teams', undefined, broken)).status).toBe(400);
  });

  it('has an address with slashes where its name has some', async () => {
    const model = {
      tier: 'shared',
      context_tokens: 1000,
      max_output_tokens: 100,
      default_max_output_tokens: 10,
      routes: [{ provider: 'main', model: 'x', free: true }],
    };
    expect((await api.ask('PUT /models/org%2FModel-8B', model)).status).toBe(200);
    expect((await api.ask('GET /models/org/Model-8B')).body).toMatchObject({ tier: 'shared' });
  });
});

describe('an address', () => {
  it('is refused with what it has, or as unknown', async () => {
    expect(await api.ask('POST /policy')).toMatchObject({ status: 405, allow: ['GET', 'PUT'] });
    for (const path of ['/nothing', '/policy/', '//policy', '/tenants//teams', '/keys/%zz'])
      expect((await api.ask(`GET ${path}`)).status).toBe(404);
  });
});

describe('a role', () => {
  const lead = {
    id: 'l',
    name: 'l',
    role: 'team-lead',
    tenantId: 'acme',
    teamId: 'search',
  } as const;
  const auditor = { id: 'a', name: 'a', role: 'auditor' } as const;

  it('sees its own and changes what it may, whichever way', async () => {
    const principal = lead;
    const list = await api.ask('GET /tenants/acme/teams', undefined, { principal });
    expect(list.body).toMatchObject({ items: [{ id: 'search' }] });
    expect((await api.ask('GET /tenants/acme/teams/t1', undefined, { principal })).status).toBe(
      404,
    );
    const patch = { limits: { monthly_budget: '$9,000' } };
    expect((await api.ask(`PATCH ${SEARCH}`, patch, { principal })).status).toBe(403);
    expect((await api.ask('PUT /policy', SMALL_POLICY, { principal })).status).toBe(403);
    expect((await api.ask(`PATCH ${SEARCH}`, { owner: 'x' }, { principal: auditor })).status).toBe(
      403,
    );
  });
});

describe('a declared key', () => {
  const key = newVirtualKey();
  const withKey = SMALL_POLICY.replace(
    '        expires:',
    `        secret: sha256:${hashKey(key)}\n        expires:`,
  );

  it('works while the policy declares it, and is revoked when it does not any more', async () => {
    await apply(withKey);
    const keyId = `vk_${hashKey(key).slice(0, 12)}`;
    expect((await api.keys.find(keyId))?.record).toMatchObject({ owner: 'Ada', projectId: 'web' });
    const plan = await api.ask('POST /policy/plan', SMALL_POLICY);
    expect(plan.body).toMatchObject({ consequences: { keysRevoked: [keyId] } });
    await apply(SMALL_POLICY);
    expect((await api.writer.account({ kind: 'key', keyId }))?.status).toBe('revoked');
  });
});

describe('a rollout', () => {
  it('goes on where a request left it', async () => {
    const teams = Array.from({ length: 200 }, (_, index) => {
      const limits = `{ requests_per_minute: ${index + 1} }`;
      return `      r${index}: { owner: x, limits: ${limits} }\n`;
    });
    const text = SMALL_POLICY.replace('    teams:\n', `    teams:\n${teams.join('')}`);
    // Every look at the clock takes so long that a request ends after two batches.
    tickMs = 100;
    const begun = await apply(text);
    expect(begun).toMatchObject({ status: 202, body: { rollout: { done: 100, total: 200 } } });
    expect((await api.ask('GET /policy')).body).toMatchObject({ isRolledOut: false });
    tickMs = 0;
    const rest = await api.ask('POST /policy/rollout');
    expect(rest).toMatchObject({ status: 200, body: { rollout: { done: 200, total: 200 } } });
    const last = { kind: 'team', tenantId: 'acme', teamId: 'r199' } as const;
    expect((await api.writer.account(last))?.plan).toEqual({ requestsPerMinute: 200 });
  });

  it('that a newer version overtakes ends with the newer one everywhere', async () => {
    const owned = (count: number, rpm: number) =>
      SMALL_POLICY.replace(
        '    teams:\n',
        `    teams:\n${Array.from({ length: count }, (_, index) => `      r${index}: { owner: x, limits: { requests_per_minute: ${rpm} } }\n`).join('')}`,
      );
    await apply(owned(150, 7));
    tickMs = 200;
    expect((await apply(owned(150, 8))).status).toBe(202);
    tickMs = 0;
    expect((await apply(owned(150, 7))).status).toBe(200);
    for (const teamId of ['r0', 'r75', 'r149']) {
      const account = await api.writer.account({ kind: 'team', tenantId: 'acme', teamId });
      expect(account?.plan).toEqual({ requestsPerMinute: 7 });
    }
  });
});

describe('the request path', () => {
  const directory = (report: () => void = () => {}) =>
    createDynamoDirectory({
      dynamo: overSdk(api.client),
      tableName: TABLES.catalogTable,
      clock: { nowMs: () => nowMs },
      report,
    });

  it('has a change within thirty seconds', async () => {
    await apply(SMALL_POLICY);
    const reader = directory();
    const before = (await reader.policy()).version;
    await apply(SMALL_POLICY.replace('$100', '$200'));
    nowMs += 29_999;
    expect((await reader.policy()).version).toBe(before);
    nowMs += 1;
    expect((await reader.policy()).version).toBe(before + 1);
  });

  it('keeps the last good version when a new one is broken, warm or cold', async () => {
    const reader = directory();
    const good = (await reader.policy()).version;
    const broken = versionIn((await apply(SMALL_POLICY)).body);
    const head = { TableName: TABLES.catalogTable, Key: { pk: { S: policyVersionKey(broken) } } };
    await api.client.send(new DeleteItemCommand(head));
    await api.client.send(
      new PutItemCommand({
        TableName: TABLES.catalogTable,
        Item: { pk: { S: 'policy-latest' }, version: { N: '0' } },
      }),
    );
    nowMs += 30_000;
    const faults: number[] = [];
    expect((await reader.policy()).version).toBe(good);
    expect((await directory(() => void faults.push(1)).policy()).version).toBe(good);
    expect(faults).toHaveLength(1);
    // And the next file mends it.
    expect((await apply(SMALL_POLICY)).status).toBe(200);
    nowMs += 30_000;
    expect((await reader.policy()).version).toBe(broken + 1);
  });
});
