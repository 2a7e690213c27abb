import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import * as z from 'zod';
import { ENV } from '../core/names.ts';
import { apiKeyOf } from './provider-choice.ts';

export interface SecretsOptions {
  readonly awsUrl: string;
  readonly region: string;
  /** Of all functions together: they name the secrets. */
  readonly functionEnv: Readonly<Record<string, string>>;
  readonly env: NodeJS.ProcessEnv;
}

/** Puts the provider keys of the environment in place, a placeholder where there is none, and gives back the admin key. */
export async function prepareSecrets({
  awsUrl,
  region,
  functionEnv,
  env,
}: SecretsOptions): Promise<string> {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const client = new SecretsManagerClient({ endpoint: awsUrl, region, credentials });
  try {
    const providerSecrets = z
      .record(z.string(), z.string())
      .parse(JSON.parse(functionEnv[ENV.providerSecrets] ?? '{}'));
    for (const [name, arn] of Object.entries(providerSecrets)) {
      const pool = { keys: [{ id: 'local', value: apiKeyOf(name, env) ?? 'simulated' }] };
      await client.send(
        new PutSecretValueCommand({ SecretId: arn, SecretString: JSON.stringify(pool) }),
      );
    }
    const admin = await client.send(
      new GetSecretValueCommand({ SecretId: functionEnv[ENV.adminKeySecret] }),
    );
    if (admin.SecretString === undefined) throw new Error('the admin key secret has no value');
    return admin.SecretString;
  } finally {
    client.destroy();
  }
}
