import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCredentials } from '../../../lambdas/adapters/aws-credentials.ts';

const START_MS = Date.UTC(2026, 10, 21);
const HOUR_MS = 3_600_000;

/** An endpoint as containers have one: each answer is good for an hour. */
let served: { authorization: string | undefined }[];
let answer: (count: number) => { status: number; body: string };
let nowMs: number;
let server: http.Server;
let url: string;
const clock = { nowMs: () => nowMs };

beforeEach(async () => {
  served = [];
  nowMs = START_MS;
  answer = (count) => ({ status: 200, body: credentialsBody(count) });
  server = http.createServer((request, response) => {
    served.push({ authorization: request.headers.authorization });
    const { status, body } = answer(served.length);
    response.writeHead(status).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  url = `http://127.0.0.1:${address.port}/v1/credentials`;
});
afterEach(() => server.close());

function credentialsBody(count: number, expiresAtMs = nowMs + HOUR_MS): string {
  return JSON.stringify({
    RoleArn: 'arn',
    AccessKeyId: `AKID${count}`,
    SecretAccessKey: `secret${count}`,
    Token: `token${count}`,
    Expiration: new Date(expiresAtMs).toISOString(),
  });
}

function fromEndpoint(extra: Readonly<Record<string, string>> = {}) {
  const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: url, ...extra };
  return createCredentials({ clock, env });
}

describe('credentials', () => {
  it('are those of the environment where it has them', async () => {
    const env = { AWS_ACCESS_KEY_ID: 'A', AWS_SECRET_ACCESS_KEY: 'S' };
    const role = { ...env, AWS_SESSION_TOKEN: 'T', AWS_CONTAINER_CREDENTIALS_FULL_URI: url };
    const own = { accessKeyId: 'A', secretAccessKey: 'S', sessionToken: undefined };
    expect(await createCredentials({ clock, env }).get()).toEqual(own);
    expect(await createCredentials({ clock, env: role }).get()).toEqual({
      ...own,
      sessionToken: 'T',
    });
    expect(served).toEqual([]);
  });

  it('are missed by name where there are none', async () => {
    const none = createCredentials({ clock, env: { AWS_ACCESS_KEY_ID: 'A' } });
    await expect(none.get()).rejects.toThrow('no AWS credentials');
  });

  it('of an endpoint are fetched once for all who ask', async () => {
    const source = fromEndpoint({ AWS_CONTAINER_AUTHORIZATION_TOKEN: 'open sesame' });
    const all = await Promise.all([source.get(), source.get(), source.get()]);
    expect(all.map((each) => each.accessKeyId)).toEqual(['AKID1', 'AKID1', 'AKID1']);
    expect(served).toEqual([{ authorization: 'open sesame' }]);
  });

  it('of an endpoint are asked for with the token that its file holds now', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'credentials-'));
    const file = join(folder, 'token');
    const source = fromEndpoint({ AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file });
    await writeFile(file, 'first\n');
    await source.get();
    await writeFile(file, 'second\n');
    nowMs += HOUR_MS;
    await source.get();
    expect(served).toEqual([{ authorization: 'first' }, { authorization: 'second' }]);
    await rm(folder, { recursive: true });
  });

  it('of an endpoint are renewed before they end, and nobody waits for it', async () => {
    const source = fromEndpoint();
    await source.get();
    nowMs += HOUR_MS - 301_000;
    expect((await source.get()).accessKeyId).toBe('AKID1');
    expect(served).toHaveLength(1);
    nowMs += 2_000;
    expect((await source.get()).accessKeyId).toBe('AKID1');
    await untilServed(2);
    expect((await source.get()).accessKeyId).toBe('AKID2');
  });

  it('of an endpoint that fails serve until they end, and it is asked every ten seconds', async () => {
    const source = fromEndpoint();
    await source.get();
    answer = () => ({ status: 503, body: 'no' });
    nowMs += HOUR_MS - 200_000;
    for (let call = 0; call < 5; call += 1) expect((await source.get()).accessKeyId).toBe('AKID1');
    await untilServed(2);
    nowMs += 11_000;
    await source.get();
    await untilServed(3);
    nowMs += 200_000;
    await expect(source.get()).rejects.toThrow('answered 503');
    answer = (count) => ({ status: 200, body: credentialsBody(count) });
    expect((await source.get()).accessKeyId).toBe('AKID5');
  });

  it.each([
    ['not JSON', 'AccessKeyId=AKIDSECRET'],
    ['no secret', '{"AccessKeyId":"AKIDSECRET","Token":"t","Expiration":"2030-01-01T00:00:00Z"}'],
    ['no date', credentialsBody(1, START_MS).replace(/"Expiration":".*?"/, '"Expiration":"soon"')],
    ['no end', '"'.padEnd(20_000, 'x')],
  ])('with %s are refused, and the error does not quote them', async (_name, body) => {
    answer = () => ({ status: 200, body });
    const got = Promise.resolve(fromEndpoint().get());
    const error: unknown = await got.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).not.toMatch(/AKID|secret1/);
  });

  it.each([
    'http://evil.example/credentials',
    'http://127.evil.example/credentials',
    'http://169.254.169.254/latest/meta-data',
    'ftp://127.0.0.1/',
  ])('are not asked for at %s', (endpoint) => {
    const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: endpoint };
    expect(() => createCredentials({ clock, env })).toThrow('not trusted');
  });
});

async function untilServed(count: number): Promise<void> {
  for (let attempt = 0; served.length < count && attempt < 200; attempt += 1) await sleep(5);
  expect(served).toHaveLength(count);
  // The answer is on its way.
  await sleep(30);
}
