import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../core/errors.ts';
import type { UpstreamPort, UpstreamRequest } from '../../../core/providers/upstream.ts';
import type { CredentialSource } from '../../../lambdas/adapters/aws-credentials.ts';
import { createSignedUpstream } from '../../../lambdas/adapters/signed-upstream.ts';
import { createSigner } from '../../../lambdas/adapters/sigv4.ts';

const NOW_MS = Date.UTC(2026, 10, 21);
const ROLE = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', sessionToken: 'token' };
const BODY = '{"messages":[]}';
const REQUEST: UpstreamRequest = {
  url: 'https://bedrock-runtime.eu-central-1.amazonaws.com/model/eu.a%3A0/converse',
  headers: { 'content-type': 'application/json' },
  body: BODY,
  connectTimeoutMs: 1,
  firstByteTimeoutMs: 1,
  idleTimeoutMs: 1,
  deadlineMs: NOW_MS + 1,
};

async function sent(
  request: UpstreamRequest,
  credentials: Pick<CredentialSource, 'get'> = { get: async () => ROLE },
): Promise<UpstreamRequest[]> {
  const requests: UpstreamRequest[] = [];
  const upstream: UpstreamPort = {
    async send(each) {
      requests.push(each);
      return { status: 204, headers: {}, body: (async function* () {})(), abort: () => {} };
    },
  };
  await createSignedUpstream({ upstream, credentials, clock: { nowMs: () => NOW_MS } }).send(
    request,
  );
  return requests;
}

describe('an upstream that signs', () => {
  it("signs for the service and region that the provider's kind names, and changes nothing else", async () => {
    for (const region of ['eu-central-1', 'us-east-1']) {
      const sign = { service: 'bedrock', region };
      const unsigned = { ...REQUEST, method: 'POST', url: new URL(REQUEST.url), body: BODY };
      const headers = createSigner(sign).sign(unsigned, ROLE, NOW_MS);
      expect(await sent({ ...REQUEST, sign })).toEqual([{ ...REQUEST, sign, headers }]);
      expect(headers['authorization']).toContain(`/20261121/${region}/bedrock/aws4_request`);
      expect(headers['x-amz-security-token']).toBe('token');
    }
  });

  it('signs a body in parts as the same body of text', async () => {
    const sign = { service: 'bedrock', region: 'eu-central-1' };
    const parts = BODY.split(':').map((part, index) =>
      Buffer.from(index === 0 ? part : `:${part}`),
    );
    const bodies = [BODY, parts];
    const calls = await Promise.all(bodies.map((body) => sent({ ...REQUEST, body, sign })));
    const [ofText, ofBytes] = calls.map(([call]) => call?.headers);
    expect(ofBytes).toEqual(ofText);
  });

  it('touches no call that carries its own credential, and asks for no role', async () => {
    const none = { get: () => Promise.reject(new Error('not asked')) };
    expect(await sent(REQUEST, none)).toEqual([REQUEST]);
  });

  it('sends nothing when there is no role, and says nothing of it to callers', async () => {
    const none = { get: () => Promise.reject(new Error('no AWS credentials')) };
    const sign = { service: 'bedrock', region: 'eu-central-1' };
    const error = await sent({ ...REQUEST, sign }, none).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'upstream_misconfigured' });
    expect(error instanceof GatewayError && error.publicMessage).not.toContain('AWS');
  });
});
