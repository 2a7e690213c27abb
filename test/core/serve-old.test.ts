import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  CURRENT_POLICY,
  keyRecordKey,
  LATEST_POLICY,
  policyVersionKey,
} from '../../core/catalog/catalog-items.ts';
import type { KeyRecord, PolicySnapshot, Team } from '../../core/catalog/snapshot.ts';
import type { UpstreamRequest } from '../../core/providers/upstream.ts';
import { teamKey } from '../../core/tenancy/scopes.ts';
import { hashKey } from '../../core/tenancy/virtual-key.ts';
import { createDynamoDirectory } from '../../lambdas/adapters/dynamo-directory.ts';
import { packDocument } from '../../lambdas/adapters/policy-parts.ts';
import { model, type TestGatewayOptions } from '../support/gateway.ts';
import { teamState, withProvider } from '../support/served.ts';

const { gateway } = withProvider();

/** A gateway over a catalog table that answers while its gate is open, and whose first call was so many milliseconds ago. */
async function seen(agoMs: number, options: Partial<TestGatewayOptions> = {}) {
  const g = gateway({ models: [model('sim-small'), model('sim-other')], ...options });
  const before = { ...g.ports };
  const record = await before.directory.findKey(hashKey(g.key));
  if (record === undefined) throw new Error('no key');
  const policy = await before.directory.policy();
  const items = new Map<string, Record<string, unknown>>();
  const reads: string[] = [];
  let isDown = (_key: string) => false;
  let nowMs = 0;
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  const setKey = (changed: Partial<KeyRecord>) =>
    items.set(keyRecordKey(hashKey(g.key)), {
      document: JSON.stringify({ ...record, ...changed }),
    });
  const setPolicy = async (changed: Partial<PolicySnapshot>) => {
    const version = policy.version + (items.size > 0 ? 1 : 0);
    const [snapshot] = await packDocument({ ...policy, version, ...changed });
    const head = { version, snapshot, snapshotParts: 1, treeParts: 0 };
    items.set(CURRENT_POLICY, { version });
    items.set(LATEST_POLICY, head);
    items.set(policyVersionKey(version), head);
  };
  await setPolicy({});
  setKey({});
  const directory = createDynamoDirectory({
    dynamo: {
      async getItem({ Key }) {
        const pk = JSON.parse(JSON.stringify(Key)).pk.S;
        reads.push(pk);
        await gate.promise;
        if (isDown(pk)) throw new Error('table away');
        const item = items.get(pk);
        return item && { pk, ...item };
      },
    },
    tableName: 'catalog',
    clock: { nowMs: () => nowMs },
    report: before.report,
  });
  const sent: string[] = [];
  const onlyEndsWait: unknown[] = [];
  const send = (request: UpstreamRequest) => {
    onlyEndsWait.push(request.onlyEndWaits?.());
    request.mayBegin?.then(() => sent.push(String(request.destination?.model)));
    return before.upstream.send(request);
  };
  let releases = 0;
  const release: typeof before.accounts.release = (reservation) => {
    releases += 1;
    return before.accounts.release(reservation);
  };
  const accounts = { ...before.accounts, release };
  Object.assign(g.ports, { directory, upstream: { send }, accounts });
  await (await g.chat({})).closed;
  for (const told of [reads, sent, onlyEndsWait, g.events]) told.length = 0;
  nowMs += agoMs;
  gate = Promise.withResolvers<void>();
  return {
    ...g,
    team: policy.teams[teamKey('acme', 'search')] ?? never(),
    setKey,
    setPolicy,
    items,
    reads,
    sent,
    onlyEndsWait,
    releases: () => releases,
    takeDown: (which: (key: string) => boolean) => {
      isDown = which;
    },
    /** A call while the catalog does not answer, until nothing more happens to it. */
    async ask(body: Record<string, unknown> = {}) {
      let isAnswered = false;
      const answer = g.chat(body).finally(() => {
        isAnswered = true;
      });
      await sleep(30);
      return { answer, isAnswered: () => isAnswered };
    },
    async answered(asked: { readonly answer: ReturnType<typeof g.chat> }) {
      gate.resolve();
      const answer = await asked.answer;
      await answer.closed;
      return answer;
    },
  };
}

function never(): never {
  throw new Error('the test gateway has no such team');
}

const OLD_MS = 31_000;
const KEY_ID = 'vk_test';

describe('a call of a key that was not seen for 30 s', () => {
  it('holds its room while key and policy are read, and is sent when both are as they were', async () => {
    const g = await seen(OLD_MS);
    const asked = await g.ask();
    expect(g.reads).toHaveLength(2);
    expect(teamState(g).holds).toBe(1);
    expect(g.sent).toEqual([]);
    expect(asked.isAnswered()).toBe(false);
    expect((await g.answered(asked)).status).toBe(200);
    expect([g.sent, g.releases()]).toEqual([['sim-small'], 0]);
    expect(g.events).toMatchObject([{ outcome: 'ok', attempts: 1 }]);
    expect(teamState(g)).toMatchObject({ holds: 0, requests: 2 });
  });

  it('reads once for many calls at once, and not again within 30 s', async () => {
    const g = await seen(OLD_MS);
    const asked = await Promise.all([g.ask(), g.ask(), g.ask()]);
    await Promise.all(asked.map(g.answered));
    await (await g.chat({})).closed;
    expect(g.reads).toHaveLength(2);
    expect(g.sent).toHaveLength(4);
  });

  it.each([
    ['29 s ago', 29_000, { reads: 0, holds: 1 }],
    ['an hour ago', 3_600_000, { reads: 2, holds: 0 }],
  ])('knows what to do when that was %s', async (_when, agoMs, { reads, holds }) => {
    const g = await seen(agoMs, { models: [model('sim-small', 'sim-small+ttft=200')] });
    const asked = await g.ask();
    expect([g.reads.length, teamState(g).holds]).toEqual([reads, holds]);
    expect((await g.answered(asked)).status).toBe(200);
  });
});

type Seen = Awaited<ReturnType<typeof seen>>;

const withTeam = (g: Seen, changed: Partial<Team>) =>
  g.setPolicy({ teams: { [teamKey('acme', 'search')]: { ...g.team, ...changed } } });

const CHANGES: [string, (g: Seen) => unknown, { status: number; code?: string; sent?: string }][] =
  [
    ['the key is gone', (g) => g.items.delete(keyRecordKey(hashKey(g.key))), { status: 401 }],
    ['the key has expired', (g) => g.setKey({ expiresAtMs: 1 }), { status: 401 }],
    ['the key may not use the model', (g) => g.setKey({ models: ['sim-other'] }), { status: 403 }],
    ['the team is gone', (g) => g.setPolicy({ teams: {} }), { status: 401 }],
    ['the team may not use the model', (g) => withTeam(g, { models: [] }), { status: 403 }],
    ['the model is gone', (g) => g.setPolicy({ models: {} }), { status: 404 }],
    [
      'the model is served by another route',
      (g) => g.setPolicy({ models: { 'sim-small': model('sim-small', 'sim-other') } }),
      { status: 200, sent: 'sim-other' },
    ],
    [
      'the limit of the team is spent',
      (g) => withTeam(g, { limits: { requestsPerMinute: 1 } }),
      { status: 429 },
    ],
    ['something else has changed', (g) => g.setKey({ owner: 'bob' }), { status: 200 }],
  ];

describe('a prompt', () => {
  it('is shown to no provider before its key and policy are known', async () => {
    const ages = [
      [OLD_MS, false],
      [29_000, true],
    ] as const;
    for (const [agoMs, isShown] of ages) {
      const g = await seen(agoMs);
      await g.answered(await g.ask());
      expect(g.onlyEndsWait).toEqual([isShown]);
    }
  });
});

describe('a call that began with what has changed since', () => {
  it.each(CHANGES)('is never sent by it where %s', async (_what, change, { status, sent }) => {
    const g = await seen(OLD_MS);
    await change(g);
    const asked = await g.ask();
    expect(teamState(g).holds).toBe(1);
    const answer = await g.answered(asked);
    expect(answer.status).toBe(status);
    expect(g.sent).toEqual(status === 200 ? [sent ?? 'sim-small'] : []);
    expect(g.releases()).toBe(1);
    expect(g.events).toHaveLength(status === 200 || status === 429 ? 1 : 0);
    expect(teamState(g)).toMatchObject({ holds: 0, requests: status === 200 ? 2 : 1 });
    expect(g.reports).toEqual([]);
  });

  it('is charged to the team that the key has moved to, and leaves nothing in the one before', async () => {
    const g = await seen(OLD_MS);
    g.setKey({ teamId: 'moved', projectId: 'app' });
    const moved = { ...g.team, id: 'moved', limits: {} };
    await g.setPolicy({ teams: { [teamKey('acme', 'moved')]: moved } });
    expect((await g.answered(await g.ask())).status).toBe(200);
    expect(g.events).toMatchObject([{ team_id: 'moved', project_id: 'app', policy_version: 8 }]);
    expect(teamState(g)).toMatchObject({ holds: 0, requests: 1 });
  });

  it('is told no refusal of limits that are not the policy’s any more', async () => {
    const g = await seen(OLD_MS, { limits: { team: { requestsPerMinute: 1 } } });
    await withTeam(g, { limits: { requestsPerMinute: 60 } });
    const asked = await g.ask();
    expect(asked.isAnswered()).toBe(false);
    expect((await g.answered(asked)).status).toBe(200);
    expect(g.events).toMatchObject([{ outcome: 'ok' }]);
    expect(teamState(g)).toMatchObject({ holds: 0, requests: 2 });
  });

  it('is told no refusal of access that it has by now', async () => {
    const g = await seen(OLD_MS);
    await g.setPolicy({ models: { new: model('new', 'sim-small') } });
    const asked = await g.ask({ model: 'new' });
    expect(asked.isAnswered()).toBe(false);
    expect((await g.answered(asked)).status).toBe(200);
  });

  it('gets a smaller maximum in its third reserve', async () => {
    const g = await seen(OLD_MS);
    await withTeam(g, { clampOutput: true, limits: { outputTokensPerMinute: 300 } });
    const { status, headers } = await g.answered(await g.ask({ max_tokens: 400 }));
    expect([status, headers['x-tollgate-max-tokens']]).toEqual([200, '300']);
    expect([g.releases(), teamState(g).holds]).toEqual([1, 0]);
  });

  it('is refused where its room cannot be given back, since it would hold twice', async () => {
    const g = await seen(OLD_MS);
    Object.assign(g.ports.accounts, { release: () => Promise.reject(new Error('no release')) });
    g.setKey({ owner: 'bob' });
    expect((await g.answered(await g.ask())).status).toBe(500);
    expect(g.sent).toEqual([]);
    expect(g.reports.at(-1)).toContain('holds not given back');
  });
});

describe('a refusal by what is still so', () => {
  it.each([
    ['429', { limits: { team: { requestsPerMinute: 1 } } }, {}],
    ['400', {}, { max_tokens: -1 }],
    ['404', {}, { model: 'unknown' }],
    ['403', {}, { model: 'forbidden' }],
  ])('is told when that is confirmed: %s', async (status, options, body) => {
    const g = await seen(OLD_MS, options);
    const asked = await g.ask(body);
    expect(asked.isAnswered()).toBe(false);
    expect(String((await g.answered(asked)).status)).toBe(status);
    expect(g.events).toHaveLength(status === '429' ? 1 : 0);
    expect([g.sent, g.releases(), g.reads.length]).toEqual([[], 0, 2]);
  });

  it.each(['revoked', 'suspended'] as const)('is told of a key that was %s', async (status) => {
    const g = await seen(OLD_MS);
    g.store.setStatus({ kind: 'key', keyId: KEY_ID }, status);
    const asked = await g.ask();
    expect(asked.isAnswered()).toBe(false);
    expect((await g.answered(asked)).status).toBe(401);
    expect([g.sent, teamState(g).holds]).toEqual([[], 0]);
  });
});

describe('while the catalog is out of reach', () => {
  it('refuses who cannot be confirmed, and gives the room back', async () => {
    const g = await seen(OLD_MS);
    g.takeDown(() => true);
    const { status, json } = await g.answered(await g.ask());
    expect([status, json().error?.code]).toEqual([503, 'limiter_unavailable']);
    expect([g.sent, g.releases(), teamState(g).holds]).toEqual([[], 1, 0]);
  });

  it('serves by the last good policy whose key is confirmed', async () => {
    const g = await seen(OLD_MS);
    g.takeDown((key) => key === CURRENT_POLICY);
    expect((await g.answered(await g.ask())).status).toBe(200);
    expect(g.reports).toEqual([expect.stringContaining('policy not refreshed')]);
  });
});
