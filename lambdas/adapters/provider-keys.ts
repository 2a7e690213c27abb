/**
 * Provider keys from Secrets Manager: one secret a provider, a JSON pool; and the gateway's own secret for
 * the salts of shared caches. Cached for five minutes, the last good one on failure, read again at once
 * when the provider refuses a key. A value is never logged.
 */
import * as z from 'zod/mini';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Report } from '../../core/report.ts';
import type { ProviderKeys } from '../../core/serve.ts';
import type { Aws } from './aws-client.ts';

const MAX_AGE_MS = 300_000;
const PATIENCE = { attempts: 3, attemptMs: 2_000 };

const secretSchema = z.object({ SecretString: z.string() });

const poolSchema = z.object({
  keys: z
    .array(z.object({ id: z.string(), value: z.string().check(z.minLength(1)) }))
    .check(z.minLength(1)),
});

/** 128 bits in the letters that Secrets Manager generates; a shorter one could be guessed. */
const cacheSecretSchema = z.string().check(z.minLength(22));

export interface ProviderKeysOptions {
  readonly aws: Aws;
  /** Secret reference of the policy -> ARN. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly cacheSecretArn: string;
  readonly clock: Clock;
  readonly report: Report;
}

export function createProviderKeys(options: ProviderKeysOptions): ProviderKeys {
  const { aws, secrets, cacheSecretArn, clock, report } = options;
  const client = aws.client('secretsmanager', PATIENCE);
  const cache = new Map<string, { readonly value: string; readonly readAtMs: number }>();

  async function read(arn: string, parse: (text: string) => string): Promise<string> {
    const { SecretString } = secretSchema.parse(
      await client.call('GetSecretValue', { SecretId: arn }),
    );
    const value = parse(SecretString);
    cache.set(arn, { value, readAtMs: clock.nowMs() });
    return value;
  }

  async function cached(
    arn: string,
    parse: (text: string) => string,
    afterRejection = false,
  ): Promise<string> {
    const known = cache.get(arn);
    if (known !== undefined && !afterRejection && clock.nowMs() - known.readAtMs < MAX_AGE_MS)
      return known.value;
    try {
      return await read(arn, parse);
    } catch (fault) {
      if (known === undefined) throw fault instanceof GatewayError ? fault : misconfigured(fault);
      report('provider keys not refreshed', fault);
      return known.value;
    }
  }

  return {
    async get({ secret }, { afterRejection } = { afterRejection: false }) {
      if (secret === undefined) return undefined;
      const arn = secrets[secret];
      if (arn === undefined) throw misconfigured(`no secret is deployed under the name ${secret}`);
      return cached(arn, (text) => firstKey(text, secret), afterRejection);
    },
    cacheSecret: () => cached(cacheSecretArn, (text) => cacheSecretSchema.parse(text)),
  };
}

function firstKey(text: string, reference: string): string {
  const [first] = poolSchema.parse(JSON.parse(text)).keys;
  if (first === undefined) throw misconfigured(`the secret ${reference} holds no key`);
  return first.value;
}

function misconfigured(cause: unknown): GatewayError {
  return new GatewayError(
    'upstream_misconfigured',
    'The gateway is not set up correctly for this model. Its operators can see why.',
    { cause },
  );
}
