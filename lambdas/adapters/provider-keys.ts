/**
 * Provider keys from Secrets Manager: one secret a provider, a JSON pool. Cached for five minutes, the
 * last good one on failure, read again at once when the provider refuses a key. A value is never logged.
 */
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import * as z from 'zod/mini';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Report } from '../../core/report.ts';
import type { ProviderKeys } from '../../core/serve.ts';

const MAX_AGE_MS = 300_000;

const poolSchema = z.object({
  keys: z
    .array(z.object({ id: z.string(), value: z.string().check(z.minLength(1)) }))
    .check(z.minLength(1)),
});

export interface ProviderKeysOptions {
  /** Secret reference of the policy -> ARN. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly report: Report;
}

export function createProviderKeys({ secrets, clock, report }: ProviderKeysOptions): ProviderKeys {
  let client: SecretsManagerClient | undefined;
  const cache = new Map<string, { readonly value: string; readonly readAtMs: number }>();

  async function read(reference: string): Promise<string> {
    const arn = secrets[reference];
    if (arn === undefined) throw misconfigured(`no secret is deployed under the name ${reference}`);
    // Loaded on first use: most calls find the key in memory, and some providers want none.
    const { SecretsManagerClient, GetSecretValueCommand } = await import(
      '@aws-sdk/client-secrets-manager'
    );
    client ??= new SecretsManagerClient({ maxAttempts: 3 });
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: arn }));
    const [first] = poolSchema.parse(JSON.parse(SecretString ?? '')).keys;
    if (first === undefined) throw misconfigured(`the secret ${reference} holds no key`);
    cache.set(reference, { value: first.value, readAtMs: clock.nowMs() });
    return first.value;
  }

  return {
    async get({ secret }, options) {
      if (secret === undefined) return undefined;
      const known = cache.get(secret);
      if (
        known !== undefined &&
        options?.afterRejection !== true &&
        clock.nowMs() - known.readAtMs < MAX_AGE_MS
      )
        return known.value;
      try {
        return await read(secret);
      } catch (fault) {
        if (known === undefined) throw fault instanceof GatewayError ? fault : misconfigured(fault);
        report('provider keys not refreshed', fault);
        return known.value;
      }
    },
  };
}

function misconfigured(cause: unknown): GatewayError {
  return new GatewayError(
    'upstream_misconfigured',
    'The gateway is not set up correctly for this model. Its operators can see why.',
    { cause },
  );
}
