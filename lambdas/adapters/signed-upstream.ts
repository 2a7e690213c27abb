/** Providers that are AWS's own services: their calls are signed with the function's role on their way out. */
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { AwsSignature } from '../../core/providers/provider.ts';
import type { UpstreamPort } from '../../core/providers/upstream.ts';
import type { CredentialSource } from './aws-credentials.ts';
import { type AwsCredentials, createSigner, type Signer } from './sigv4.ts';

export function createSignedUpstream({
  upstream,
  credentials,
  clock,
}: {
  upstream: UpstreamPort;
  credentials: Pick<CredentialSource, 'get'>;
  clock: Clock;
}): UpstreamPort {
  /** One for each region that the policy names; a signer keeps the key of its day. */
  const signers = new Map<string, Signer>();

  function signerOf(signature: AwsSignature): Signer {
    const name = `${signature.service}/${signature.region}`;
    const signer = signers.get(name) ?? createSigner(signature);
    signers.set(name, signer);
    return signer;
  }

  return {
    async send(request) {
      const { sign, url, headers, body } = request;
      if (sign === undefined) return upstream.send(request);
      const role = await currentRole(credentials);
      const signedBody = typeof body === 'string' ? body : Buffer.concat(body);
      const unsigned = { method: 'POST', url: new URL(url), headers, body: signedBody };
      const signed = signerOf(sign).sign(unsigned, role, clock.nowMs());
      return upstream.send({ ...request, headers: signed });
    },
  };
}

async function currentRole(credentials: Pick<CredentialSource, 'get'>): Promise<AwsCredentials> {
  try {
    return await credentials.get();
  } catch (cause) {
    throw new GatewayError(
      'upstream_misconfigured',
      'The gateway is not set up correctly for this model. Its operators can see why.',
      { cause },
    );
  }
}
