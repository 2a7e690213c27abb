import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { KeyRecord } from '../../../core/catalog/snapshot.ts';
import type { Principal } from '../../../core/governance/principal.ts';
import { holdIdOf, newRequestId } from '../../../core/ids.ts';
import { readShards } from '../../../core/limits/account-store.ts';
import { createAccounts, type Reservation } from '../../../core/limits/accounts.ts';
import { reapAccount } from '../../../core/limits/reaper.ts';
import { compilePolicy } from '../../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { requestSchema } from '../../../core/request-lookup.ts';
import { selectRoutes, teamOf } from '../../../core/routing/select-routes.ts';
import { accountKey } from '../../../core/tenancy/scopes.ts';
import { scopesOf } from '../../../core/tenancy/scopes-of.ts';
import { requestRoutes } from '../../../lambdas/admin/request-routes.ts';
import { answerRequest } from '../../../lambdas/admin/router.ts';
import { ROOT } from '../../support/control-plane.ts';
import { leasesNamed } from '../../support/leases.ts';
import { createLedgerLake, EXPIRED_EVENT, USAGE_EVENT } from '../../support/ledger-lake.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { WHO } from './role-people.ts';

const NOON_MS = Date.parse('2026-11-20T12:00:00Z');
const TRACE = '0af7651916cd43dd8448eb211c80319c';
/** Limits wherever there can be some; the team is hot enough for shards. */
const POLICY = `
time_zone: UTC
providers:
  openai:
    kind: openai
    base_url: https://api.openai.com
    secret: openai
    limits: { requests_per_minute: 10K }
  own: { kind: vllm, base_url: "http://vllm.internal:8000" }
models:
  small:
    tier: shared
    context_tokens: 8K
    max_output_tokens: 1K
    default_max_output_tokens: 100
    routes:
      - { provider: openai, model: gpt-5-mini, price: { input: $1, output: $2 } }
      - { provider: own, model: llama, free: "true" }
tenants:
  acme:
    limits: { requests_per_minute: 10K }
    teams:
      search:
        owner: ann
        limits: { requests_per_second: 5000 }
        tier_limits: { shared: { requests_per_minute: 10K } }
        per_user_limits: { requests_per_minute: 100 }
        per_feature_limits: { requests_per_minute: 100 }
    projects:
      web: { team: search, limits: { requests_per_minute: 10K } }
`;
const parsed = parsePolicy(POLICY, 'policy.yaml');
if (parsed.kind !== 'ok') throw new Error(JSON.stringify(parsed));
const { snapshot: policy } = compilePolicy(parsed.policy, 1, NOON_MS);
const KEY: KeyRecord = {
  keyId: 'vk_0123456789ab',
  ...{ tenantId: 'acme', teamId: 'search', projectId: 'web', owner: 'ann' },
  pinnedTags: { user_id: 'u/1' },
  features: ['find'],
  limits: {},
  createdAtMs: 0,
};
const CALLER = { key: KEY, team: teamOf(policy, KEY), policy };
const TAGS = { user_id: 'u/1', feature: 'find' };
const EVERYWHERE = [
  `key:${KEY.keyId}`,
  ...['project:web', 'team:search', 'team-tier:search/shared', 'tenant:acme'],
  ...['user:u%2F1', 'feature:find', 'provider:openai'],
];

const lake = createLedgerLake(NOON_MS);
afterAll(() => lake.close());

let nowMs: number;
let store: ReturnType<typeof createMemoryStore>;
let accounts: ReturnType<typeof createAccounts>;
let isMarked: boolean;
const clock = { nowMs: () => nowMs };

beforeEach(() => {
  nowMs = NOON_MS;
  isMarked = false;
  store = createMemoryStore();
  accounts = createAccounts({ store, clock });
  const scopes = scopesOf({ ...CALLER, ...selectRoutes(CALLER, 'small', nowMs), tags: TAGS });
  for (const { scope, limits } of scopes) store.setUp(scope, limits);
});

async function reserve(requestId: string, by = accounts, key = KEY): Promise<Reservation> {
  const caller = { ...CALLER, key };
  const reservation = await by.reserve({
    requestId,
    alias: 'small',
    demand: { nanoUsd: 500, inputTokens: 40, outputTokens: 60 },
    scopes: scopesOf({ ...caller, ...selectRoutes(caller, 'small', nowMs), tags: TAGS }),
    timeZone: 'UTC',
    holdSeconds: 900,
  });
  if (reservation.kind !== 'reserved') throw new Error(reservation.kind);
  return reservation;
}

/** What the caller named itself is in the event alone. */
const eventOf = (requestId: string) => ({
  ...USAGE_EVENT,
  ...{ request_id: requestId, virtual_key_id: KEY.keyId, trace_id: TRACE },
  ...TAGS,
});

function ask(id: string, query: Readonly<Record<string, string>> = {}, principal = ROOT) {
  const routes = requestRoutes({
    clock,
    athena: { run: (sql) => lake.ask(sql) },
    accountStore: store,
    keys: {
      find: async (keyId) => (keyId === KEY.keyId ? { record: KEY, revision: 1 } : undefined),
    },
    currentPolicy: async () => policy,
    cancellations: { isMarked: async () => isMarked },
    place: { region: 'eu-west-1', logGroup: '/proxy', traceBucket: 'traces' },
  });
  return answerRequest(routes, {
    ...{ method: 'GET', path: `/requests/${id}`, query, body: '', principal },
    ...{ ifMatch: undefined, reason: undefined, sourceIp: '192.0.2.1', requestId: 'r' },
  });
}

async function lookUp(id: string, query: Readonly<Record<string, string>> = {}) {
  const { status, body } = await ask(id, query);
  if (status !== 200) throw new Error(JSON.stringify(body));
  return requestSchema.parse(body);
}

describe('looking a request up', () => {
  it('finds a call that runs by its key, and all that it holds, before anything is told of it', async () => {
    const id = newRequestId();
    await reserve(id);
    nowMs += 10_000;
    isMarked = true;
    const found = await lookUp(id, { key: KEY.keyId });
    expect(found).toMatchObject({
      state: 'running',
      ...{ tenant_id: 'acme', team_id: 'search', project_id: 'web' },
      model_alias: 'small',
      event: null,
      cancelled: true,
      leases: [],
      posted: [],
      trace: null,
      record: null,
    });
    expect(found.holds[0]).toMatchObject({ nano_usd: 500, expires_in_seconds: 890 });
    expect(found.holds.map(({ scope }) => scope)).toEqual(EVERYWHERE);
    expect(found.logs).toMatchObject({
      log_group: '/proxy',
      from: '2026-11-20T11:00:10.000Z',
      to: '2026-11-20T13:00:10.000Z',
    });
    expect(found.logs.query).toContain(`filter requestId = "${id}"`);
  });

  it('finds what became of a call, its logs, its trace and its record', async () => {
    const id = newRequestId();
    const reservation = await reserve(id);
    await accounts.settle(reservation, { nanoUsd: 100, inputTokens: 10, outputTokens: 10 });
    lake.arrive([{ ...EXPIRED_EVENT, request_id: id, cost_nano_usd: 7 }, eventOf(id)]);
    const found = await lookUp(id);
    expect(found).toMatchObject({
      state: 'closed',
      holds: [],
      posted: [],
      cancelled: false,
      logs: { from: '2026-11-20T11:00:00.000Z', to: '2026-11-20T13:00:00.050Z' },
      trace: {
        trace_id: TRACE,
        xray: expect.stringContaining('eu-west-1#xray:traces/1-0af76519-16cd43dd8448eb211c80319c'),
      },
      record: [`s3://traces/hot/acme/${id}.json`, `s3://traces/cold/acme/${id}.json`],
    });
    expect(found.event).toEqual(eventOf(id));
  });

  it('finds what a call whose event is there still holds, in every scope and shard', async () => {
    const team = { kind: 'team', tenantId: 'acme', teamId: 'search' } as const;
    expect(store.shardsOf(team).length).toBeGreaterThan(4);
    for (const _ of Array.from({ length: 4 })) {
      const id = newRequestId();
      await reserve(id);
      lake.arrive([eventOf(id)]);
      const found = await lookUp(id, { day: '2026-11-20' });
      expect(found.state).toBe('not settled');
      expect(found.holds.map(({ scope }) => scope)).toEqual(EVERYWHERE);
      const shard = store.shardsOf(team).find(({ account }) => account.holds.has(holdIdOf(id)));
      expect(found.holds[2]?.account).toBe(shard?.key);
    }
  });

  it('finds the pool that was reserved, where another provider answered', async () => {
    const id = newRequestId();
    await reserve(id);
    lake.arrive([{ ...eventOf(id), pool: 'own', fallback_from: 'openai/gpt-5-mini' }]);
    expect((await lookUp(id)).holds.map(({ scope }) => scope)).toEqual(EVERYWHERE);
  });

  it('names the leases that a running call has a part of', async () => {
    const pauses: (() => void)[] = [];
    const worker = createAccounts({
      store,
      clock,
      pause: () => new Promise((done) => void pauses.push(done)),
      newLeases: leasesNamed((length) => 'leasename'.slice(0, length)),
    });
    const leased = async () => {
      const id = newRequestId();
      const { grants } = await reserve(id, worker);
      return { id, parts: grants.filter(({ part }) => part !== undefined).length };
    };
    let last = await leased();
    for (let calls = 0; last.parts === 0 && calls < 20; calls += 1) {
      for (const done of pauses.splice(0)) done();
      await new Promise((done) => setImmediate(done));
      last = await leased();
    }
    const { leases, holds } = await lookUp(last.id, { key: KEY.keyId });
    expect(leases).toHaveLength(last.parts);
    expect(holds).toHaveLength(EVERYWHERE.length - last.parts);
    expect(leases[0]).toMatchObject({ lease: 'leasenam', settled: false });
    expect(leases[0]?.expires_in_seconds).toBeGreaterThan(0);
  });

  it('takes no hold of another call for its own', async () => {
    const id = newRequestId();
    await reserve(id);
    const twin = `${id.slice(0, 12)}${newRequestId().slice(12)}`;
    expect(await ask(twin, { key: KEY.keyId })).toMatchObject({ status: 404 });
    lake.arrive([{ ...eventOf(twin), virtual_key_id: 'vk_other' }]);
    expect(await lookUp(twin)).toMatchObject({ state: 'closed', holds: [] });
  });

  it('follows a call whose process died, from its expiry to its charge', async () => {
    const id = newRequestId();
    await reserve(id);
    nowMs += 901_000;
    expect((await lookUp(id, { key: KEY.keyId })).state).toBe('abandoned');
    nowMs += 60_000;
    const ports = { store, clock, pause: async () => {}, bookExpired: async () => {} };
    const lead = accountKey({ kind: 'key', keyId: KEY.keyId });
    for (const shard of await readShards(store, lead, 1)) await reapAccount(ports, shard.key);
    const found = await lookUp(id, { key: KEY.keyId });
    expect(found.state).toBe('charged at the hold');
    expect(found.posted).toContainEqual({
      account: expect.stringContaining(lead),
      corrected: false,
    });
  });

  it('looks for a day that is over only when it is told', async () => {
    const id = newRequestId();
    lake.arrive([eventOf(id)]);
    nowMs += 10 * 86_400_000;
    expect(await ask(id)).toMatchObject({ status: 404 });
    expect((await lookUp(id, { day: '2026-11-20' })).state).toBe('closed');
  });

  it.each([
    ["req_' OR 1=1", {}, 'path.requestId'],
    [newRequestId(), { day: "2026-11-20' OR" }, 'query.day'],
    [newRequestId(), { day: '2026-13-40' }, 'query.day'],
    [newRequestId(), { key: 'vk_a/b' }, 'query.key'],
  ])('refuses %s %j', async (id, query: Record<string, string>, path) => {
    const { status, body } = await ask(encodeURIComponent(id), query);
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: { errors: [{ path }] } });
  });
});

describe('who looks a request up', () => {
  const READERS = ['platform', 'finance', 'auditor', 'admin', 'tenantFinance', 'lead'];

  it.each(Object.entries<Principal>(WHO))(
    'shows %s its own calls, and of others not even that they exist',
    async (who, principal) => {
      const [closed, running, unknown] = [newRequestId(), newRequestId(), newRequestId()];
      lake.arrive([eventOf(closed)]);
      await reserve(running);
      const query = { key: KEY.keyId };
      const [ofClosed, ofRunning, ofNone] = await Promise.all(
        [closed, running, unknown].map((id) => ask(id, query, principal)),
      );
      expect(ofNone?.status).toBe(404);
      const told = JSON.stringify(ofNone).replace(unknown, '');
      for (const [id, answer] of [
        [closed, ofClosed],
        [running, ofRunning],
      ] as const) {
        expect(answer?.status).toBe(READERS.includes(who) ? 200 : 404);
        if (answer?.status === 404) expect(JSON.stringify(answer).replace(id, '')).toBe(told);
      }
    },
  );

  it('judges a call by its event, and not by the key that is named with it', async () => {
    const id = newRequestId();
    lake.arrive([{ ...eventOf(id), team_id: 'support', virtual_key_id: 'vk_other' }]);
    expect(await ask(id, { key: KEY.keyId }, WHO.lead)).toMatchObject({ status: 404 });
    expect(await ask(id, { key: KEY.keyId }, WHO.otherLead)).toMatchObject({ status: 200 });
  });
});
