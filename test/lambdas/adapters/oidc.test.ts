import {
  constants,
  createHmac,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Issuer, KeyRecord, PolicySnapshot } from '../../../core/catalog/snapshot.ts';
import { authenticate, type SigningKeys } from '../../../core/tenancy/authenticate.ts';
import { teamKey } from '../../../core/tenancy/scopes.ts';
import { ssoKeyId } from '../../../core/tenancy/sign-in.ts';
import { createOidc } from '../../../lambdas/adapters/oidc.ts';
import { type LocalIssuer, startIssuer, tokenOf } from '../../support/local-issuer.ts';

const START_MS = Date.UTC(2026, 10, 21);
const NOW = START_MS / 1000;
let nowMs = START_MS;
let issuer: LocalIssuer;
let key: KeyObject;
let signers: SigningKeys;

beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer.close());
beforeEach(() => {
  nowMs = START_MS;
  issuer.answerWith(undefined);
  key = issuer.rotate('k1');
  signers = createOidc({ clock: { nowMs: () => nowMs }, report: () => {} });
});

const CLAIMS = { aud: 'tollgate', sub: 'u-1', exp: NOW + 3_600, iat: NOW, dept: 'search' };
const HEADER = { alg: 'ES256', kid: 'k1', typ: 'JWT' };

function policy(changes: Partial<Issuer> = {}): PolicySnapshot {
  const team = { tiers: ['shared' as const], limits: {}, alertAtPercent: [], owner: 'ann' };
  const trusted: Issuer = {
    id: 'corp',
    issuer: issuer.url,
    audiences: ['tollgate'],
    userClaim: 'sub',
    rules: [{ when: {}, tenant: 'acme', team: 'claim:dept', project: 'web' }],
    ...changes,
  };
  return {
    version: 1,
    timeZone: 'UTC',
    providers: {},
    models: {},
    teams: {
      [teamKey('acme', 'search')]: { ...team, id: 'search', tenantId: 'acme' },
      [teamKey('other', 'search')]: { ...team, id: 'search', tenantId: 'other' },
    },
    projects: [
      { id: 'web', tenantId: 'acme', teamId: 'search' },
      { id: 'web', tenantId: 'other', teamId: 'search' },
    ],
    issuers: [trusted],
  };
}

const record = (keyId: string): KeyRecord => ({
  keyId,
  tenantId: 'acme',
  teamId: 'search',
  projectId: 'web',
  owner: 'sso:corp',
  pinnedTags: {},
  features: [],
  limits: {},
  createdAtMs: 0,
});

async function caller(token: string, changes: Partial<Issuer> = {}) {
  const directory = { findKey: async () => undefined, policy: async () => policy(changes) };
  const place = { tenantId: 'acme', teamId: 'search', projectId: 'web' };
  const known = ssoKeyId('corp', place);
  const keys = {
    findKeyById: async (keyId: string) => (keyId === known ? record(keyId) : undefined),
  };
  const headers = { authorization: `Bearer ${token}` };
  return authenticate({ directory, signIn: { keys, signers } }, headers, nowMs);
}

const token = (claims: object = {}, header: object = {}) =>
  tokenOf({ ...HEADER, ...header }, { iss: issuer.url, ...CLAIMS, ...claims }, key);

describe('a token', () => {
  it('stands for the key of its project and pins its user', async () => {
    const { key: stands, team } = await caller(token());
    expect(stands.keyId).toMatch(/^sso_[0-9a-f]{16}$/);
    expect(stands.pinnedTags).toEqual({ user_id: 'u-1' });
    expect(team.id).toBe('search');
  });

  it.each(['RS256', 'PS256'])('is taken with %s from an RSA key', async (alg) => {
    key = issuer.rotate('k1', 'RSA');
    const options = alg === 'PS256' ? pssToken() : token({}, { alg });
    expect((await caller(options)).key.tenantId).toBe('acme');
  });

  it('is taken within a minute of its times, and not beyond', async () => {
    await expect(caller(token({ exp: NOW - 59 }))).resolves.toBeDefined();
    await expect(caller(token({ exp: NOW - 60 }))).rejects.toThrow('it has expired');
    await expect(caller(token({ nbf: NOW + 60 }))).resolves.toBeDefined();
    await expect(caller(token({ nbf: NOW + 61 }))).rejects.toThrow('it is not valid yet');
    await expect(caller(token({ iat: NOW + 61 }))).rejects.toThrow('it is not valid yet');
  });

  it('goes where the first rule that fits says', async () => {
    const rules = [
      { when: { groups: 'nobody' }, tenant: 'other', team: 'search', project: 'web' },
      { when: { groups: 'data' }, tenant: 'acme', team: 'search', project: 'web' },
    ];
    expect((await caller(token({ groups: ['a', 'data'] }), { rules })).key.tenantId).toBe('acme');
    await expect(caller(token({ groups: 'datax' }), { rules })).rejects.toThrow('no rule');
  });
});

function pssToken(): string {
  const text = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${text({ ...HEADER, alg: 'PS256' })}.${text({ iss: issuer.url, ...CLAIMS })}`;
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key, padding, saltLength: 32 }).toString('base64url')}`;
}

function hmacToken(secret: string | Buffer): string {
  const text = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${text({ ...HEADER, alg: 'HS256' })}.${text({ iss: issuer.url, ...CLAIMS })}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

describe('an attack', () => {
  const publicPem = () => createPublicKey(key).export({ type: 'spki', format: 'pem' });
  const cut = (text: string) => text.slice(0, text.lastIndexOf('.') + 1);
  const swapped = (claims: object) => {
    const [head, , signature] = token().split('.');
    const body = Buffer.from(JSON.stringify({ iss: issuer.url, ...CLAIMS, ...claims }));
    return `${head}.${body.toString('base64url')}.${signature}`;
  };
  const attacks: [string, () => string][] = [
    ['alg none', () => token({}, { alg: 'none' })],
    ['alg none without a signature', () => cut(tokenOf({ ...HEADER, alg: 'none' }, CLAIMS, key))],
    ['HS256 with the public key as the secret', () => hmacToken(publicPem())],
    ['RS256 said of an EC key', () => token({}, { alg: 'RS256' })],
    ['ES384', () => token({}, { alg: 'ES384' })],
    ['no kid', () => token({}, { kid: undefined })],
    ['a kid that climbs', () => token({}, { kid: '../../etc/passwd' })],
    ['a kid of a prototype', () => token({}, { kid: '__proto__' })],
    ['a kid that is an address', () => token({}, { kid: 'http://127.0.0.1:1/jwks' })],
    ['a key set of its own', () => token({}, { kid: 'k9', jku: 'http://127.0.0.1:1/jwks' })],
    ['a critical extension', () => token({}, { crit: ['b64'], b64: false })],
    ['another issuer', () => token({ iss: 'https://evil.example' })],
    ['an issuer with a slash more', () => token({ iss: `${issuer.url}/` })],
    ['no issuer', () => token({ iss: undefined })],
    ['an issuer that is a list', () => token({ iss: [issuer.url] })],
    ['another audience', () => token({ aud: 'payroll' })],
    ['no audience', () => token({ aud: undefined })],
    ['an audience that is a mapping', () => token({ aud: { tollgate: true } })],
    ['no end', () => token({ exp: undefined })],
    ['an end that is a text', () => token({ exp: String(NOW + 60) })],
    ['an end beyond all numbers', () => token().replace(/\.[^.]+\./, `.${infinite()}.`)],
    ['changed claims', () => swapped({ sub: 'root' })],
    ['a cut signature', () => token().slice(0, -2)],
    ['a tenant in a claim', () => token({ dept: 'search#acme' })],
    ['a path in a claim', () => token({ dept: '../other/search' })],
    ['a claim that names no team', () => token({ dept: 'constructor' })],
    ['a list in the place of a name', () => token({ dept: ['search'] })],
    ['four parts', () => `${token()}.x`],
    ['bytes that are no text', () => `${Buffer.from([0xff, 0xfe]).toString('base64url')}.e30.AA`],
    ['nine kilobytes', () => token({ pad: 'x'.repeat(9_000) })],
    ['random bytes', () => [40, 80, 64].map((n) => randomBytes(n).toString('base64url')).join('.')],
  ];
  const infinite = () =>
    Buffer.from(
      JSON.stringify({ iss: issuer.url, ...CLAIMS, exp: 0 }).replace('"exp":0', '"exp":1e999'),
    ).toString('base64url');

  it.each(attacks)('with %s is refused', async (_name, attack) => {
    await expect(caller(attack())).rejects.toMatchObject({ code: 'invalid_api_key' });
  });

  it('signed by a key that the issuer never had is refused', async () => {
    const good = issuer.jwks();
    key = issuer.rotate('k1');
    const forged = token();
    issuer.answerWith((_request, response) => response.end(JSON.stringify({ keys: good })));
    await expect(caller(forged)).rejects.toThrow('its signature is wrong');
  });

  it('by a secret key in the set, or one too weak, is refused', async () => {
    const secret = Buffer.from('a secret of many letters, in the set');
    const oct = { kty: 'oct', kid: 'k1', k: secret.toString('base64url'), alg: 'HS256' };
    issuer.answerWith((_request, response) => response.end(JSON.stringify({ keys: [oct] })));
    await expect(caller(hmacToken(secret))).rejects.toMatchObject({ code: 'invalid_api_key' });
  });
});

describe('keys of an issuer', () => {
  it('are read once in ten minutes, and a new one is found at once but no oftener than once a minute', async () => {
    const before = issuer.reads();
    for (let calls = 0; calls < 5; calls += 1) await caller(token());
    expect(issuer.reads() - before).toBe(1);
    nowMs += 61_000;
    key = issuer.rotate('k2');
    await caller(token({}, { kid: 'k2' }));
    expect(issuer.reads() - before).toBe(2);
    for (const kid of ['a', 'b', 'c'])
      await expect(caller(token({}, { kid }))).rejects.toThrow('signature');
    expect(issuer.reads() - before).toBe(2);
  });

  it('serve on for an hour while the issuer is out of reach, and then no more', async () => {
    const good = token({ exp: NOW + 9_000 });
    await caller(good);
    issuer.answerWith((_request, response) => response.writeHead(500).end());
    nowMs += 3_599_000;
    await expect(caller(good)).resolves.toBeDefined();
    nowMs += 1_000;
    await expect(caller(good)).rejects.toMatchObject({ code: 'limiter_unavailable' });
  });

  it.each([
    ['more than 64 kB', JSON.stringify({ keys: [{ pad: 'x'.repeat(70_000) }] })],
    ['more than 50 keys', JSON.stringify({ keys: Array(51).fill({}) })],
    ['no JSON', '<html>'],
  ])('that come as %s are none', async (_name, body) => {
    issuer.answerWith((_request, response) => response.end(body));
    await expect(caller(token())).rejects.toMatchObject({ code: 'limiter_unavailable' });
  });

  it('are not fetched where a redirect, or a document of the issuer, points elsewhere', async () => {
    const trap = await startIssuer();
    trap.rotate('k1');
    issuer.answerWith((_request, response) =>
      response.writeHead(302, { location: `${trap.url}/jwks` }).end(),
    );
    await expect(caller(token())).rejects.toMatchObject({ code: 'limiter_unavailable' });
    const path = `${issuer.url}/sub`;
    issuer.answerWith((_request, response) =>
      response.end(JSON.stringify({ issuer: path, jwks_uri: `${trap.url}/jwks` })),
    );
    const elsewhere = { id: 'x', issuer: path, audiences: [], userClaim: 'sub', rules: [] };
    await expect(signers.find(elsewhere, 'k1')).rejects.toMatchObject({
      code: 'limiter_unavailable',
    });
    expect(trap.reads()).toBe(0);
    await trap.close();
  });
});
