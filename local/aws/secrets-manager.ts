import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { Clock } from '../../core/clock.ts';
import { writeFileAtomically } from './files.ts';
import { type JsonService, type Operation, operation } from './json-service.ts';
import type { SecretSpec } from './resources.ts';
import { AwsError } from './wire.ts';

export interface SecretsManager {
  readonly service: JsonService;
  /** Keeps the value of a secret that exists. */
  create(spec: SecretSpec): void;
}

const secretSchema = z.object({
  name: z.string(),
  arn: z.string(),
  value: z.string(),
  versionId: z.string(),
  changedAtMs: z.number(),
});
type Secret = z.infer<typeof secretSchema>;

/** Secrets with one version each, the current one, in files that only their owner can read. */
export function createSecretsManager(options: {
  dir: string;
  clock: Clock;
  arn: (service: string, resource: string) => string;
}): SecretsManager {
  const { dir, clock, arn } = options;
  const secrets = new Map<string, Secret>();

  function put(spec: SecretSpec, versionId: string = randomUUID()): Secret {
    const secret = { ...spec, versionId, changedAtMs: clock.nowMs() };
    writeFileAtomically(pathOf(spec.arn), JSON.stringify(secret), 0o600);
    secrets.set(spec.arn, secret);
    return secret;
  }
  function pathOf(secretArn: string): string {
    return join(dir, `${createHash('sha256').update(secretArn).digest('hex').slice(0, 32)}.json`);
  }
  function create(spec: SecretSpec): void {
    const path = pathOf(spec.arn);
    if (!existsSync(path)) put(spec);
    else secrets.set(spec.arn, secretSchema.parse(JSON.parse(readFileSync(path, 'utf8'))));
  }
  function lookUp(id: string): Secret | undefined {
    return (
      secrets.get(id) ??
      [...secrets.values()].find(({ name, arn }) => name === id || isPartialArn(arn, id))
    );
  }

  return {
    create,
    service: {
      name: 'secretsmanager',
      target: 'secretsmanager',
      throttleCode: 'ThrottlingException',
      operations: secretOperations({
        lookUp,
        put,
        newArn: (name) => arn('secretsmanager', `secret:${name}-local0`),
      }),
    },
  };
}

/** AWS also finds a secret by its ARN without the six random characters. */
function isPartialArn(arn: string, id: string): boolean {
  return arn.startsWith(`${id}-`) && arn.length === id.length + 7;
}

function secretOperations(store: {
  lookUp: (id: string) => Secret | undefined;
  put: (spec: SecretSpec, versionId?: string) => Secret;
  newArn: (name: string) => string;
}): Record<string, Operation> {
  const { lookUp, put, newArn } = store;
  function find(id: string): Secret {
    const found = lookUp(id);
    if (found !== undefined) return found;
    throw new AwsError(
      'ResourceNotFoundException',
      "Secrets Manager can't find the specified secret.",
    );
  }
  return {
    CreateSecret: operation(
      z.object({
        Name: z.string(),
        SecretString: z.string(),
        ClientRequestToken: z.optional(z.string()),
      }),
      ({ Name, SecretString, ClientRequestToken }) => {
        if (lookUp(Name) !== undefined)
          throw new AwsError('ResourceExistsException', `The secret ${Name} already exists.`);
        return reference(
          put({ name: Name, arn: newArn(Name), value: SecretString }, ClientRequestToken),
        );
      },
    ),
    DescribeSecret: operation(z.object({ SecretId: z.string() }), ({ SecretId }) => {
      const { arn, name, versionId, changedAtMs } = find(SecretId);
      return {
        ARN: arn,
        Name: name,
        LastChangedDate: changedAtMs / 1000,
        VersionIdsToStages: { [versionId]: ['AWSCURRENT'] },
      };
    }),
    GetSecretValue: operation(
      z.object({
        SecretId: z.string(),
        VersionStage: z.literal('AWSCURRENT').default('AWSCURRENT'),
      }),
      ({ SecretId, VersionStage }) => {
        const secret = find(SecretId);
        return {
          ...reference(secret),
          SecretString: secret.value,
          VersionStages: [VersionStage],
          CreatedDate: secret.changedAtMs / 1000,
        };
      },
    ),
    PutSecretValue: operation(
      z.object({
        SecretId: z.string(),
        SecretString: z.string(),
        ClientRequestToken: z.optional(z.string()),
      }),
      ({ SecretId, SecretString, ClientRequestToken }) => {
        const { name, arn } = find(SecretId);
        return reference(put({ name, arn, value: SecretString }, ClientRequestToken));
      },
    ),
  };
}

function reference({ arn, name, versionId }: Secret): {
  ARN: string;
  Name: string;
  VersionId: string;
} {
  return { ARN: arn, Name: name, VersionId: versionId };
}
