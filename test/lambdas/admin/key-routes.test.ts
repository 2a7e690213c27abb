import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Principal } from '../../../core/governance/principal.ts';
import { openKeyHouse, POLICY } from '../../support/key-house.ts';

const START_MS = Date.UTC(2026, 10, 21);
const DAY_MS = 86_400_000;
let nowMs = START_MS;
let house: Awaited<ReturnType<typeof openKeyHouse>>;

beforeAll(async () => {
  house = await openKeyHouse({ nowMs: () => nowMs });
}, 30_000);
afterAll(() => house.close());
beforeEach(() => {
  house.changes.length = 0;
});

const WEB = { tenantId: 'acme', teamId: 'search', projectId: 'web' };
const LEAD: Principal = {
  id: 'p_lead',
  name: 'bob',
  role: 'team-lead',
  tenantId: 'acme',
  teamId: 'shop',
};

async function newKey(fields: object = {}): Promise<{ keyId: string; key: string }> {
  const { status, body } = await house.ask('createKey', {
    body: { ...WEB, owner: 'ann', ...fields },
  });
  expect(status).toBe(201);
  return body;
}

const byId = (keyId: string) => ({ params: { keyId } });

describe('a new key', () => {
  it('works at once, belongs to somebody and ends after the longest life of the policy', async () => {
    const { keyId, key } = await newKey({ features: ['answers'] });
    expect(await house.instance()(key)).toBe('reserved');
    const { body } = await house.ask('showKey', byId(keyId));
    expect(body).toMatchObject({
      ...WEB,
      keyId,
      owner: 'ann',
      features: ['answers'],
      status: 'active',
      createdBy: 'root',
      expiresAtMs: nowMs + 90 * DAY_MS,
    });
    expect(JSON.stringify(body)).not.toContain(key);
    expect(house.changes).toMatchObject([{ operation: 'createKey', object: `keys/${keyId}` }]);
    expect(JSON.stringify(house.changes)).not.toContain(key);
  });

  it('of a team that is as new works at once where the policy before is in memory', async () => {
    const instance = house.instance();
    expect(await instance((await newKey()).key)).toBe('reserved');
    await house.apply(
      POLICY.replace('      shop:', '      new: { owner: joe }\n      shop:').replace(
        '      lab:',
        '      start: { team: new }\n      lab:',
      ),
    );
    const { key } = await newKey({ teamId: 'new', projectId: 'start' });
    nowMs += 1_000;
    expect(await instance(key)).toBe('reserved');
    await house.apply(POLICY);
    nowMs += 30_000;
    expect(await instance(key)).toMatch(/team of this API key no longer exists/);
  });

  it.each([
    [{ teamId: 'nobody' }, /no team nobody/],
    [{ projectId: 'till' }, /no project till/],
    [{ models: ['gpt-9'] }, /no model gpt-9/],
    [{ expiresAtMs: START_MS - 1 }, /expired/],
    [{ expiresAtMs: START_MS + 91 * DAY_MS }, /no key live longer/],
  ])('is refused with %j', async (fields, reason) => {
    const { status, body } = await house.ask('createKey', {
      body: { ...WEB, owner: 'ann', ...fields },
    });
    expect(status).toBe(400);
    expect(body.error.message).toMatch(reason);
    expect(house.changes).toEqual([]);
  });

  it.each([
    [{ priority: 'high' }, 'priority'],
    [{ pinnedTags: { cost_center: 'CC-2' } }, 'pinnedTags.cost_center'],
  ])('has %j from the platform alone', async (fields, name) => {
    const body = { ...WEB, owner: 'ann', ...fields };
    const lead = { ...LEAD, teamId: 'search' };
    const admin: Principal = { id: 'p', name: 'ada', role: 'tenant-admin', tenantId: 'acme' };
    for (const principal of [lead, admin]) {
      const { status, body: said } = await house.ask('createKey', { body }, principal);
      expect([status, said.error.code]).toEqual([403, 'forbidden']);
      expect(said.error.message).toContain(name);
    }
    expect(house.changes).toEqual([]);
    await newKey(fields);
  });

  it('has the usual priorities and its team’s own cost center from its lead', async () => {
    const pinnedTags = { cost_center: 'CC-1', customer: 'c' };
    for (const priority of ['low', 'normal'] as const) {
      const body = { ...WEB, owner: 'ann', priority, pinnedTags };
      const lead = { ...LEAD, teamId: 'search' };
      expect((await house.ask('createKey', { body }, lead)).status).toBe(201);
    }
  });

  it.each([{ owner: ' ' }, { owner: 'a\nb' }, { keyId: 'vk_000000000000' }, { status: 'active' }])(
    'is never read from a body with %j',
    async (fields) => {
      await expect(
        house.ask('createKey', { body: { ...WEB, owner: 'ann', ...fields } }),
      ).rejects.toThrow();
    },
  );
});

describe('a key that is revoked or suspended', () => {
  it('is refused at its next request by each of 50 instances that served it before', async () => {
    const { keyId, key } = await newKey();
    const instances = Array.from({ length: 50 }, () => house.instance());
    const all = () => Promise.all(instances.map((call) => call(key)));
    expect(new Set(await all())).toEqual(new Set(['reserved']));
    expect((await house.ask('suspendKey', byId(keyId))).body).toEqual({
      keyId,
      status: 'suspended',
    });
    expect(new Set(await all())).toEqual(new Set(['suspended']));
    await house.ask('resumeKey', byId(keyId));
    expect(new Set(await all())).toEqual(new Set(['reserved']));
    await house.ask('revokeKey', byId(keyId));
    expect(new Set(await all())).toEqual(new Set(['revoked']));
    expect((await house.ask('resumeKey', byId(keyId))).status).toBe(409);
    expect(new Set(await all())).toEqual(new Set(['revoked']));
  }, 30_000);
});

describe('a key that is rotated', () => {
  it('is one key with two secrets, of which the old one works exactly until the end', async () => {
    const { keyId, key: before } = await newKey();
    const call = house.instance();
    expect(await call(before)).toBe('reserved');
    const { status, body } = await house.ask('rotateKey', {
      ...byId(keyId),
      body: { overlap: '1m' },
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ keyId, previousSecretUntilMs: nowMs + 60_000 });
    const instances = [call, ...Array.from({ length: 49 }, () => house.instance())];
    const all = (secret: string) => Promise.all(instances.map((each) => each(secret)));
    nowMs += 59_999;
    expect(new Set(await all(before))).toEqual(new Set(['reserved']));
    expect(new Set(await all(body.key))).toEqual(new Set(['reserved']));
    const again = await house.ask('rotateKey', byId(keyId));
    expect(again).toMatchObject({ status: 409, body: { error: { code: 'rotation_in_progress' } } });
    nowMs += 1;
    expect(new Set(await all(before))).toEqual(
      new Set(['invalid_api_key: This API key has expired.']),
    );
    expect(new Set(await all(body.key))).toEqual(new Set(['reserved']));
    const third = await house.ask('rotateKey', byId(keyId));
    expect(third.status).toBe(200);
    expect(await house.instance()(before)).toBe('invalid_api_key: Incorrect API key provided.');
    await house.ask('revokeKey', byId(keyId));
    expect(new Set([...(await all(body.key)), await call(third.body.key)])).toEqual(
      new Set(['revoked']),
    );
  }, 30_000);

  it.each(['0s', '30s', '59s', '721h', 'soon'])('is refused an overlap of %s', async (overlap) => {
    const { keyId } = await newKey();
    const { status } = await house.ask('rotateKey', { ...byId(keyId), body: { overlap } });
    expect(status).toBe(400);
  });

  it('gets one new secret, however many ask at once', async () => {
    const { keyId } = await newKey();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => house.ask('rotateKey', byId(keyId))),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array(7).fill(409)]);
  });
});

describe('a team that is suspended', () => {
  it('stops with all its keys, bears new ones suspended, and goes on without those stopped themselves', async () => {
    const [first, second, third] = [
      await newKey(),
      await newKey({ projectId: 'lab' }),
      await newKey(),
    ];
    const elsewhere = await newKey({ teamId: 'shop', projectId: 'till' });
    await house.ask('suspendKey', byId(second.keyId));
    await house.ask('revokeKey', byId(third.keyId));
    const call = house.instance();
    const team = { params: { tenantId: 'acme', teamId: 'search' } };
    expect(await call(first.key)).toBe('reserved');
    expect((await house.ask('suspendTeam', team)).body).toMatchObject({ status: 'suspended' });
    expect(await call(first.key)).toBe('suspended');
    expect(await call(elsewhere.key)).toBe('reserved');
    const born = await newKey();
    expect(born).toMatchObject({ status: 'suspended' });
    expect(await call(born.key)).toBe('suspended');
    expect((await house.ask('resumeKey', byId(first.keyId))).body.status).toBe('suspended');
    await house.ask('resumeTeam', team);
    expect(await call(first.key)).toBe('reserved');
    expect(await call(born.key)).toBe('reserved');
    expect(await call(second.key)).toBe('suspended');
    expect(await call(third.key)).toBe('revoked');
  }, 30_000);

  it('stays so while its tenant is', async () => {
    const { key } = await newKey({ teamId: 'shop', projectId: 'till' });
    const call = house.instance();
    await house.ask('suspendTenant', { params: { tenantId: 'acme' } });
    await house.ask('resumeTeam', { params: { tenantId: 'acme', teamId: 'shop' } });
    expect(await call(key)).toBe('suspended');
    await house.ask('resumeTenant', { params: { tenantId: 'acme' } });
    expect(await call(key)).toBe('reserved');
  }, 30_000);

  it('is not started again by its own lead', async () => {
    const team = { params: { tenantId: 'acme', teamId: 'shop' } };
    expect((await house.ask('resumeTeam', team, LEAD)).status).toBe(403);
  });
});

describe('another team’s key', () => {
  it.each(['showKey', 'rotateKey', 'suspendKey', 'resumeKey', 'revokeKey'])(
    'does not exist for %s',
    async (operation) => {
      const { keyId } = await newKey();
      house.changes.length = 0;
      expect((await house.ask(operation, byId(keyId), LEAD)).status).toBe(404);
      expect(house.changes).toEqual([]);
    },
  );
});

describe('the list', () => {
  it('shows in pages whose keys they are, and no key twice or never', async () => {
    const made = await Promise.all(
      Array.from({ length: 7 }, () => newKey({ projectId: 'lab', owner: 'zoe' })),
    );
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const query = {
        ...WEB,
        projectId: 'lab',
        owner: 'zoe',
        limit: '3',
        ...(after ? { after } : {}),
      };
      const { body } = await house.ask('listKeys', { query });
      expect(body.keys.length).toBeLessThanOrEqual(3);
      seen.push(...body.keys.map(({ keyId }: { keyId: string }) => keyId));
      after = body.next ?? undefined;
    } while (after !== undefined);
    expect(seen.toSorted()).toEqual(made.map(({ keyId }) => keyId).toSorted());
  });

  it('names the minute of a key’s latest call and finds those that nobody uses', async () => {
    const [used, unused, stopped] = [await newKey(), await newKey(), await newKey()];
    const ended = await newKey({ expiresAtMs: nowMs + DAY_MS });
    await house.ask('suspendKey', byId(stopped.keyId));
    nowMs += 31 * DAY_MS;
    await house.instance()(used.key);
    const { body } = await house.ask('listUnusedKeys', { query: { tenantId: 'acme', days: '30' } });
    const found = body.keys.map(({ keyId }: { keyId: string }) => keyId);
    expect(found).toContain(unused.keyId);
    for (const { keyId } of [used, stopped, ended]) expect(found).not.toContain(keyId);
    expect((await house.ask('showKey', byId(used.keyId))).body.lastUsedAtMs).toBe(
      Math.floor(nowMs / 60_000) * 60_000,
    );
  });

  it('of one tenant begins at that tenant, wherever the caller says to begin', async () => {
    const query = { tenantId: 'other', after: 'acme/' };
    const { body } = await house.ask('listKeys', { query });
    expect(body).toEqual({ keys: [], next: null });
    const all = await house.ask('listKeys', { query: { after: 'acme/search/lab' } });
    expect(all.body.keys.length).toBeGreaterThan(0);
  });

  it('wants a team with its tenant', async () => {
    expect((await house.ask('listKeys', { query: { teamId: 'search' } })).status).toBe(400);
  });
});
