/**
 * The credentials of the function's role. Lambda puts them into the environment, good for as long as the
 * environment lives; where one lives longer (managed instances, containers) an endpoint gives new ones, and
 * these are fetched before the old ones end. Nothing is read from a user's files.
 */
import * as z from 'zod/mini';
import type { Clock, EpochMs } from '../../core/clock.ts';
import type { Environment } from './aws-services.ts';
import type { AwsCredentials } from './sigv4.ts';

export interface CredentialSource {
  /** At once where they are at hand. Rejects when there are none, or none that are still good. */
  get(): AwsCredentials | Promise<AwsCredentials>;
  /** These were refused as expired, whatever they say themselves: others, or undefined where there are none. */
  renew(refused: AwsCredentials): Promise<AwsCredentials | undefined>;
}

/** AWS's own clients renew so long before the end. */
const RENEW_BEFORE_MS = 300_000;
/** An endpoint that failed is not asked again at once while the old credentials are good. */
const RETRY_AFTER_MS = 10_000;
const TIMEOUT_MS = 2_000;
const MAX_ANSWER_BYTES = 16_384;
const ECS_ORIGIN = 'http://169.254.170.2';
/** Where a secret may be sent in the clear: this machine, and the addresses of ECS and EKS on the link. */
const CLEAR_TEXT_HOSTS = [
  '169.254.170.2',
  '169.254.170.23',
  '[fd00:ec2::23]',
  '[::1]',
  'localhost',
];
const LOOPBACK = /^127\.\d+\.\d+\.\d+$/;

const answerSchema = z.object({
  AccessKeyId: z.string().check(z.minLength(1)),
  SecretAccessKey: z.string().check(z.minLength(1)),
  Token: z.string(),
  Expiration: z.string(),
});

export function createCredentials({
  clock,
  env = process.env,
}: {
  clock: Clock;
  env?: Environment;
}): CredentialSource {
  const fixed = fromEnvironment(env);
  if (fixed !== undefined) return { get: () => fixed, renew: async () => undefined };
  const endpoint = endpointOf(env);
  if (endpoint === undefined) {
    const none = () => Promise.reject(new Error('no AWS credentials in the environment'));
    return { get: none, renew: none };
  }
  return renewed(() => fetchCredentials(endpoint, env), clock);
}

function fromEnvironment(env: Environment): AwsCredentials | undefined {
  const accessKeyId = env['AWS_ACCESS_KEY_ID'];
  const secretAccessKey = env['AWS_SECRET_ACCESS_KEY'];
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: env['AWS_SESSION_TOKEN'] || undefined };
}

function endpointOf(env: Environment): URL | undefined {
  const relative = env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'];
  if (relative) return new URL(relative, ECS_ORIGIN);
  const full = env['AWS_CONTAINER_CREDENTIALS_FULL_URI'];
  if (!full) return undefined;
  const url = new URL(full);
  const isLocal = CLEAR_TEXT_HOSTS.includes(url.hostname) || LOOPBACK.test(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLocal))
    throw new Error('AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that is not trusted');
  return url;
}

interface Expiring {
  readonly credentials: AwsCredentials;
  readonly expiresAtMs: EpochMs;
}

/** One request at a time, however many ask; the old ones serve while they are good. */
function renewed(fetchNew: () => Promise<Expiring>, clock: Clock): CredentialSource {
  let current: Expiring | undefined;
  let renewal: Promise<Expiring> | undefined;
  let nextTryMs = 0;

  async function renew(): Promise<Expiring> {
    renewal ??= fetchNew().finally(() => {
      renewal = undefined;
    });
    nextTryMs = clock.nowMs() + RETRY_AFTER_MS;
    current = await renewal;
    nextTryMs = 0;
    return current;
  }

  return {
    get() {
      const leftMs = (current?.expiresAtMs ?? 0) - clock.nowMs();
      if (current === undefined || leftMs <= 0) return renew().then((next) => next.credentials);
      // Nobody waits for what is only early, and a failure is tried again while there is time.
      if (leftMs < RENEW_BEFORE_MS && clock.nowMs() >= nextTryMs)
        void renew().catch(() => undefined);
      return current.credentials;
    },
    async renew(refused) {
      const isCurrent = current?.credentials.accessKeyId === refused.accessKeyId;
      const { credentials } = isCurrent || current === undefined ? await renew() : current;
      return credentials.accessKeyId === refused.accessKeyId ? undefined : credentials;
    },
  };
}

async function fetchCredentials(endpoint: URL, env: Environment): Promise<Expiring> {
  const tokenFile = env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'];
  // The file changes while the process runs, so it is read every time.
  const token = tokenFile
    ? (await readText(tokenFile)).trim()
    : env['AWS_CONTAINER_AUTHORIZATION_TOKEN'];
  const text = await getText(endpoint, token ? { authorization: token } : {});
  const answer = answerSchema.parse(parseJson(text));
  const expiresAtMs = Date.parse(answer.Expiration);
  if (Number.isNaN(expiresAtMs)) throw new Error('the credentials have no readable expiration');
  return {
    credentials: {
      accessKeyId: answer.AccessKeyId,
      secretAccessKey: answer.SecretAccessKey,
      sessionToken: answer.Token,
    },
    expiresAtMs,
  };
}

/** Loaded where there is such a file, which is in containers alone. */
async function readText(file: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  return readFile(file, 'utf8');
}

/** A parser's own message would quote the secrets. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('the credential endpoint answered something that is not JSON');
  }
}

function getText(url: URL, headers: Readonly<Record<string, string>>): Promise<string> {
  // Loaded where there is such an endpoint: a function has its credentials in the environment.
  const client = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    const call = client.get(url, { headers, signal }, (response) => {
      const parts: Buffer[] = [];
      let size = 0;
      response.on('data', (part: Buffer) => {
        size += part.length;
        parts.push(part);
        if (size > MAX_ANSWER_BYTES) response.destroy(new Error('the answer is too large'));
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(parts).toString('utf8'));
        else reject(new Error(`the credential endpoint answered ${response.statusCode}`));
      });
    });
    call.on('error', reject);
  });
}
