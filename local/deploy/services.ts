/** Storage and messaging: one deployer a resource type, each idempotent because a restart repeats it. */
import { randomInt } from 'node:crypto';
import * as z from 'zod';
import type { DeployContext } from '../deploy.ts';
import { nameFromArn } from '../templates/physical.ts';
import type { LocalResource } from '../templates.ts';

const queueSchema = z.object({
  VisibilityTimeout: z.number().optional(),
  RedrivePolicy: z
    .object({ deadLetterTargetArn: z.string(), maxReceiveCount: z.coerce.number() })
    .optional(),
});

const secretSchema = z.object({
  SecretString: z.string().optional(),
  GenerateSecretString: z
    .object({
      PasswordLength: z.number().default(32),
      ExcludePunctuation: z.boolean().default(false),
      ExcludeCharacters: z.string().default(''),
      SecretStringTemplate: z.string().optional(),
      GenerateStringKey: z.string().optional(),
    })
    .optional(),
});
type Generation = NonNullable<z.infer<typeof secretSchema>['GenerateSecretString']>;

const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~';

const bucketSchema = z.object({ ObjectLockEnabled: z.boolean().default(false) });

export function createBucket({ name, properties }: LocalResource, { aws }: DeployContext): void {
  const { ObjectLockEnabled } = bucketSchema.parse(properties);
  aws.createBucket(name, { isLocked: ObjectLockEnabled });
}

export function createStream({ name }: LocalResource, { aws }: DeployContext): void {
  aws.createStream(name);
}

export function createTopic({ name }: LocalResource, { aws }: DeployContext): void {
  aws.createTopic(name);
}

export function createBus({ name }: LocalResource, { aws }: DeployContext): void {
  aws.createBus(name);
}

export function createQueue({ name, properties }: LocalResource, { aws }: DeployContext): void {
  const { VisibilityTimeout, RedrivePolicy } = queueSchema.parse(properties);
  aws.createQueue({
    name,
    ...(VisibilityTimeout === undefined ? {} : { visibilityTimeoutSeconds: VisibilityTimeout }),
    ...(RedrivePolicy === undefined
      ? {}
      : {
          maxReceiveCount: RedrivePolicy.maxReceiveCount,
          deadLetterQueue: nameFromArn(RedrivePolicy.deadLetterTargetArn),
        }),
  });
}

export function createSecret(
  { name, ref, properties }: LocalResource,
  { aws }: DeployContext,
): void {
  const { SecretString, GenerateSecretString } = secretSchema.parse(properties);
  const value =
    GenerateSecretString === undefined ? (SecretString ?? '') : generate(GenerateSecretString);
  aws.createSecret({ name, arn: ref, value });
}

function generate(generation: Generation): string {
  const alphabet = [...(generation.ExcludePunctuation ? ALPHANUMERIC : ALPHANUMERIC + PUNCTUATION)];
  const allowed = alphabet.filter((character) => !generation.ExcludeCharacters.includes(character));
  let password = '';
  while (password.length < generation.PasswordLength)
    password += allowed[randomInt(allowed.length)] ?? '';
  const { SecretStringTemplate, GenerateStringKey } = generation;
  if (SecretStringTemplate === undefined || GenerateStringKey === undefined) return password;
  const template = z.record(z.string(), z.unknown()).parse(JSON.parse(SecretStringTemplate));
  return JSON.stringify({ ...template, [GenerateStringKey]: password });
}
