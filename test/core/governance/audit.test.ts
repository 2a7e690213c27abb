import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AUDIT_COLUMNS,
  auditObjectKey,
  auditRecord,
  auditRecordSchema,
} from '../../../core/governance/audit.ts';
import { hashKey, newAdminKey, newVirtualKey } from '../../../core/tenancy/virtual-key.ts';

const SOURCE = {
  principal: { id: 'ada', name: 'Ada', role: 'tenant-admin', tenantId: 'acme' },
  sourceIp: '192.0.2.1',
  requestId: 'req_1',
  reason: 'because',
} as const;
const CHANGE = {
  operation: 'putTeam',
  object: 'tenants/acme/teams/search',
  target: { tenantId: 'acme' },
};

function written(before: unknown, after: unknown): string {
  return JSON.stringify(auditRecord(SOURCE, { ...CHANGE, before, after }, { atMs: 0 }));
}

describe('an audit record', () => {
  it('says who changed what, when, from where and why', () => {
    const record = auditRecord(
      SOURCE,
      { ...CHANGE, after: { owner: 'ann' } },
      { atMs: 86_400_000 },
    );
    expect(Object.keys(record)).toEqual([...AUDIT_COLUMNS]);
    expect(auditRecordSchema.parse(record)).toMatchObject({
      changed_at: '1970-01-02T00:00:00.000Z',
      principal_id: 'ada',
      source_ip: '192.0.2.1',
      before: null,
      after: '{"owner":"ann"}',
      reason: 'because',
    });
    expect(auditObjectKey(record)).toBe(`audit/dt=1970-01-02/000000000Z-${record.id}.json`);
  });

  it('has no key, no hash of one and no secret, wherever they stand', () => {
    const secrets = fc.constantFrom(
      newVirtualKey(),
      newAdminKey(),
      hashKey(newVirtualKey()),
      `sha256:${hashKey('x')}`,
      'sk-proj-abcdefgh12345678',
      'AKIAABCDEFGHIJKLMNOP',
      'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln',
    );
    const nested = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        secrets,
        fc.string(),
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(fc.oneof(fc.string(), secrets), tie('node'), { maxKeys: 3 }),
      ),
    })).node;
    fc.assert(
      fc.property(nested, nested, secrets, (before, after, secret) => {
        const text = written({ before, words: `it was ${secret}!` }, after);
        expect(text).not.toMatch(/tga?_[0-9A-Za-z]{30}|[0-9a-f]{64}|sk-proj|AKIA|eyJhbGci/);
      }),
    );
  });

  it.each([
    'password',
    'client_secret',
    'keyHash',
    'privateKey',
    'Authorization',
    'api_key',
    'apiKey',
  ])('has not what stands under the name %s', (name) => {
    expect(
      written({ inner: [{ [name]: 'hunter' }] }, { [name]: { deep: 'hunter' } }),
    ).not.toContain('hunter');
  });

  it('keeps the name of a provider’s secret, which opens nothing', () => {
    expect(written(undefined, { secret: 'openai' })).toContain('openai');
  });

  it('fits one item of a table', () => {
    expect(written('x'.repeat(1e6), 'y'.repeat(1e6)).length).toBeLessThan(200_000);
  });
});
