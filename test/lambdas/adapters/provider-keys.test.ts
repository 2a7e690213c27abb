import { createServer } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Provider } from '../../../core/catalog/snapshot.ts';
import { systemClock } from '../../../core/clock.ts';
import { createAws } from '../../../lambdas/adapters/aws-client.ts';
import { createProviderKeys } from '../../../lambdas/adapters/provider-keys.ts';

const LONG = 'forty-eight letters, or at least more than twenty';
const PROVIDER: Provider = {
  id: 'openai',
  kind: 'openai',
  baseUrl: 'https://api.example.com',
  secret: 'main',
  connectTimeoutMs: 1,
  firstByteTimeoutMs: 1,
  idleTimeoutMs: 1,
};

let values: Record<string, string> = {};
let reads: string[] = [];
const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const { SecretId } = JSON.parse(Buffer.concat(parts).toString('utf8'));
    reads.push(SecretId);
    const SecretString = values[SecretId];
    response.writeHead(SecretString === undefined ? 400 : 200, {
      'content-type': 'application/x-amz-json-1.1',
    });
    response.end(
      JSON.stringify(
        SecretString === undefined ? { __type: 'ResourceNotFoundException' } : { SecretString },
      ),
    );
  });
});
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${port}`);
  vi.stubEnv('AWS_REGION', 'us-east-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'local');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'local');
});
afterAll(() => {
  vi.unstubAllEnvs();
  server.close();
  server.closeAllConnections();
});
beforeEach(() => {
  reads = [];
  values = { 'arn:main': '{"keys":[{"id":"a","value":"sk-1"}]}', 'arn:cache': LONG };
});

function keys() {
  const state = { nowMs: 0 };
  const reports: string[] = [];
  const created = createProviderKeys({
    aws: createAws({ clock: systemClock }),
    secrets: { main: 'arn:main' },
    cacheSecretArn: 'arn:cache',
    clock: { nowMs: () => state.nowMs },
    report: (what) => void reports.push(what),
  });
  return { ...created, state, reports };
}

describe('secrets of the proxy', () => {
  it('are read once in five minutes, and at once when the provider refuses the key', async () => {
    const { get, state } = keys();
    expect([await get(PROVIDER), await get(PROVIDER)]).toEqual(['sk-1', 'sk-1']);
    expect(reads).toEqual(['arn:main']);
    values['arn:main'] = '{"keys":[{"id":"b","value":"sk-2"}]}';
    expect(await get(PROVIDER, { afterRejection: true })).toBe('sk-2');
    state.nowMs = 300_001;
    await get(PROVIDER);
    expect(reads).toHaveLength(3);
  });

  it('keep their last good value when the newer one cannot be read', async () => {
    const { get, cacheSecret, state, reports } = keys();
    await Promise.all([get(PROVIDER), cacheSecret()]);
    values = {};
    state.nowMs = 300_001;
    expect([await get(PROVIDER), await cacheSecret()]).toEqual(['sk-1', LONG]);
    expect(reports).toHaveLength(2);
  });

  it('hold the secret of the salts, which is never a short one', async () => {
    expect(await keys().cacheSecret()).toBe(LONG);
    values['arn:cache'] = 'guessable';
    await expect(keys().cacheSecret()).rejects.toMatchObject({ code: 'upstream_misconfigured' });
  });

  it('are not asked for where a provider wants none, and a name without a secret is our fault', async () => {
    const { secret: _none, ...open } = PROVIDER;
    expect(await keys().get(open)).toBeUndefined();
    expect(reads).toEqual([]);
    await expect(keys().get({ ...PROVIDER, secret: 'other' })).rejects.toMatchObject({
      code: 'upstream_misconfigured',
    });
  });
});
