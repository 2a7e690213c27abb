/** Slack's incoming webhooks, one a channel, from one secret. A channel that is slow or refuses costs a bounded time. */
import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import * as z from 'zod/mini';
import type { SlackMessage } from '../../core/alerts/messages.ts';
import type { Clock } from '../../core/clock.ts';

const ATTEMPTS = 3;
const ATTEMPT_MS = 4_000;
/** One that asks for more is asked again when the function is tried again. */
const MAX_WAIT_MS = 4_000;
const SECRET_AGE_MS = 300_000;

const webhooksSchema = z.record(z.string(), z.string().check(z.minLength(1)));

export interface SlackWebhooksOptions {
  readonly secrets: Pick<SecretsManagerClient, 'send'>;
  readonly secretArn: string;
  readonly clock: Clock;
  readonly pause: (ms: number) => Promise<void>;
}

export interface SlackWebhooks {
  /** False where the channel has no webhook. Throws when Slack did not take the message. */
  post(channel: string, message: SlackMessage): Promise<boolean>;
}

export function createSlackWebhooks(options: SlackWebhooksOptions): SlackWebhooks {
  let known: { readonly urls: Readonly<Record<string, string>>; readonly readAtMs: number };
  const urls = async () => {
    const nowMs = options.clock.nowMs();
    if (known === undefined || nowMs - known.readAtMs > SECRET_AGE_MS)
      known = { urls: await readUrls(options), readAtMs: nowMs };
    return known.urls;
  };
  return {
    async post(channel, message) {
      const url = (await urls())[channel];
      if (url === undefined) return false;
      await deliver(options, url, JSON.stringify(message));
      return true;
    },
  };
}

async function readUrls({ secrets, secretArn }: SlackWebhooksOptions) {
  const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId: secretArn }));
  return webhooksSchema.parse(JSON.parse(SecretString ?? '{}'));
}

async function deliver({ pause }: SlackWebhooksOptions, url: string, body: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await once(url, body);
    if (outcome.kind === 'taken') return;
    const { reason, waitMs } = outcome;
    // The address is a secret: it is in no message.
    if (waitMs === undefined || waitMs > MAX_WAIT_MS || attempt === ATTEMPTS)
      throw new Error(`Slack did not take the message: ${reason}`);
    await pause(Math.max(waitMs, attempt * 500));
  }
}

type Outcome =
  | { readonly kind: 'taken' }
  /** Without a wait there is no use in another attempt. */
  | { readonly kind: 'refused'; readonly reason: string; readonly waitMs?: number };

async function once(url: string, body: string): Promise<Outcome> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(ATTEMPT_MS),
    });
    await response.body?.cancel();
    if (response.ok) return { kind: 'taken' };
    const reason = `status ${response.status}`;
    if (response.status === 429) return { kind: 'refused', reason, waitMs: waitOf(response) };
    return response.status < 500
      ? { kind: 'refused', reason }
      : { kind: 'refused', reason, waitMs: 0 };
  } catch (fault) {
    return { kind: 'refused', reason: nameOf(fault), waitMs: 0 };
  }
}

function waitOf(response: Response): number {
  const seconds = Number(response.headers.get('retry-after') ?? 1);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : 1000;
}

/** Of a network error: its kind alone, since its text may have the address. */
function nameOf(fault: unknown): string {
  return fault instanceof Error ? fault.name : 'unknown';
}
