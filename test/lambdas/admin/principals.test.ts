import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { Principal } from '../../../core/governance/principal.ts';
import { isWellFormedAdminKey, isWellFormedKey } from '../../../core/tenancy/virtual-key.ts';
import { createAuditLog } from '../../../lambdas/adapters/audit-log.ts';
import { withAudit } from '../../../lambdas/admin/with-audit.ts';
import { ROOT } from '../../support/control-plane.ts';
import { dynoxideBinary } from '../../support/dynoxide.ts';
import { type Governance, startGovernance } from '../../support/governance.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';

const binary = dynoxideBinary();
const ADMIN: Principal = { id: 'ada', name: 'Ada', role: 'tenant-admin', tenantId: 'acme' };
const HOUR = 3_600_000;

describe.skipIf(binary === undefined)('a principal', () => {
  let governance: Governance;
  beforeAll(async () => {
    governance = await startGovernance(binary ?? '');
  });
  afterAll(() => governance.stop());

  const call = (method: string, path: string, body: object = {}) =>
    governance.call({ as: ROOT, method, path, body });
  const keyOf = async (method: string, path: string, body: object = {}) =>
    z.object({ key: z.string() }).parse((await call(method, path, body)).body).key;
  const who = async (key: string) => (await governance.identify(`Bearer ${key}`))?.id;

  it('is known by a key that is shown once and stored as a hash', async () => {
    const { tenantId, ...ada } = ADMIN;
    const key = await keyOf('POST', '/principals', { ...ada, tenantId });
    expect([isWellFormedAdminKey(key), isWellFormedKey(key)]).toEqual([true, false]);
    expect(await governance.identify(`Bearer ${key}`)).toMatchObject(ADMIN);
    expect(await who(`${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`)).toBe(undefined);
    const shown = await call('GET', '/principals/ada');
    expect(JSON.stringify(shown.body)).not.toMatch(/[0-9a-f]{64}|tga_/);
    expect(shown.body).toMatchObject({ status: 'active', openKeys: 1, createdBy: 'root' });
    expect((await call('POST', '/principals', { ...ada, tenantId })).status).toBe(409);
  });

  it('of the stack’s own secret is the root, whose name nobody else takes', async () => {
    expect(await who('the-secret-of-the-root')).toBe('root');
    expect(await who('the-secret-of-the-roof')).toBe(undefined);
    expect(await governance.identify(undefined)).toBe(undefined);
    expect(await governance.identify('Basic dGhlOnJvb3Q=')).toBe(undefined);
    const root = { id: 'root', name: 'x', role: 'auditor' };
    expect((await call('POST', '/principals', root)).status).toBe(409);
    expect((await call('POST', '/whoami/rotate')).status).toBe(409);
  });

  it('has both keys until the overlap is over, to the millisecond', async () => {
    const old = await keyOf('POST', '/principals', { id: 'rob', name: 'r', role: 'auditor' });
    const next = await keyOf('POST', '/principals/rob/rotate', { overlapSeconds: 3_600 });
    governance.advance(HOUR - 1);
    expect([await who(old), await who(next)]).toEqual(['rob', 'rob']);
    governance.advance(1);
    expect([await who(old), await who(next)]).toEqual([undefined, 'rob']);
    const last = await keyOf('POST', '/principals/rob/rotate');
    expect([await who(next), await who(last)]).toEqual([undefined, 'rob']);
  });

  it('is nobody from the next request after its end, and stays so', async () => {
    const expiresAtMs = governance.clock.nowMs() + HOUR;
    const brief = await keyOf('POST', '/principals', {
      id: 'bri',
      name: 'b',
      role: 'auditor',
      expiresAtMs,
    });
    const ended = await keyOf('POST', '/principals', { id: 'end', name: 'e', role: 'auditor' });
    expect([await who(brief), await who(ended)]).toEqual(['bri', 'end']);
    expect((await call('DELETE', '/principals/end')).status).toBe(200);
    governance.advance(HOUR);
    expect([await who(brief), await who(ended)]).toEqual([undefined, undefined]);
    expect((await call('POST', '/principals/end/rotate')).status).toBe(409);
  });

  it('is listed in pages, of one tenant or of all', async () => {
    const page = z.object({
      principals: z.array(z.object({ id: z.string() })),
      cursor: z.string().nullable(),
    });
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const query = { limit: '2', ...(cursor === '' ? {} : { cursor }) };
      const { body } = await governance.call({
        as: ROOT,
        method: 'GET',
        path: '/principals',
        query,
      });
      const read: z.infer<typeof page> = page.parse(body);
      seen.push(...read.principals.map(({ id }) => id));
      cursor = read.cursor;
    }
    expect(seen).toEqual(['ada', 'bri', 'end', 'rob']);
  });

  it('is made by many at once without one getting lost', async () => {
    const ids = Array.from({ length: 12 }, (_, index) => `many${index}`);
    const answers = await Promise.all(
      ids.map((id) => call('POST', '/principals', { id, name: id, role: 'auditor' })),
    );
    expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 201));
    expect((await governance.principals.all()).map(({ id }) => id)).toEqual(
      expect.arrayContaining(ids),
    );
  });

  it('leaves each change in the log, which the sweeper ships when nobody else has', async () => {
    const { client, clock, objects } = governance;
    const records = await governance.records();
    expect(objects.contents.size).toBe(records.length);
    expect([...objects.contents.values()].join('')).not.toMatch(/tga_[0-9A-Za-z]{30}|[0-9a-f]{64}/);
    const later = createMemoryObjects();
    const log = (bucket: Pick<typeof later, 'putIfAbsent'>) =>
      createAuditLog({
        client,
        tableName: 'audit',
        objects: bucket,
        clock,
        report: () => undefined,
      });
    const broken = log({ putIfAbsent: () => Promise.reject(new Error('no bucket')) });
    const [first] = records;
    if (first === undefined) throw new Error('no records');
    const lost = {
      ...first,
      id: 'aud_lost',
      changed_at: new Date(clock.nowMs() - HOUR).toISOString(),
    };
    await broken.record(lost);
    expect(await broken.sweep()).toEqual({ shipped: 0, failed: 1 });
    expect(await log(later).sweep()).toEqual({ shipped: 1, failed: 0 });
    expect(await log(later).sweep()).toEqual({ shipped: 0, failed: 0 });
    expect([...later.contents.values()].map((text) => JSON.parse(String(text)).id)).toEqual([
      'aud_lost',
    ]);
    const { Item } = await client.send(
      new GetItemCommand({
        TableName: 'audit',
        Key: { pk: { S: lost.changed_at.slice(0, 10) }, sk: { S: `${lost.changed_at}/aud_lost` } },
      }),
    );
    expect(Number(Item?.['ttl']?.N)).toBeGreaterThan(clock.nowMs() / 1000 + 29 * 86_400);
  });

  it('ships the record of a change that was made, and of no other', async () => {
    const shipped: string[] = [];
    const record = (await governance.records())[0];
    if (record === undefined) throw new Error('no records');
    const log = {
      item: governance.audit.item,
      ship: async ({ id }: typeof record) => void shipped.push(id),
    };
    expect(await withAudit(log, record, async ({ Put }) => Put === undefined)).toBe(false);
    expect(shipped).toEqual([]);
    expect(await withAudit(log, record, async ({ Put }) => Put?.TableName === 'audit')).toBe(true);
    expect(shipped).toEqual([record.id]);
  });

  it('is asked for by what changed, and read on where a page ends', async () => {
    const ask = async (query: Record<string, string>) => {
      const { body } = await governance.call({ as: ROOT, method: 'GET', path: '/audit', query });
      return z
        .object({
          records: z.array(z.object({ id: z.string(), object: z.string() })),
          nextTo: z.string().nullable(),
          isComplete: z.boolean(),
        })
        .parse(body);
    };
    const { records } = await ask({ object: 'principals/rob' });
    expect(records.map(({ object }) => object)).toEqual(Array(3).fill('principals/rob'));
    const all = (await governance.records()).map(({ id }) => id);
    const seen: string[] = [];
    for (let to: string | null | undefined; to !== null; ) {
      const page = await ask({ limit: '3', ...(to === undefined ? {} : { to }) });
      seen.push(...page.records.map(({ id }) => id));
      to = page.nextTo;
    }
    expect(seen).toEqual(all);
    expect((await ask({ from: '2020-01-01T00:00:00Z' })).isComplete).toBe(false);
  });
});
