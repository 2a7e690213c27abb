/** Who may call: each kind of server wants its key in its own header. */
import type { IncomingMessage } from 'node:http';
import { wrongSignature } from './bedrock/signature.ts';
import type { Flavour } from './wire.ts';

export interface Credentials {
  /** Provider keys accepted; undefined: any, also none. */
  readonly keys: readonly string[] | undefined;
  /** Secrets of AWS access keys, by their id; others are believed. */
  readonly awsSecrets: Readonly<Record<string, string>>;
}

export interface CallerFacts {
  readonly request: IncomingMessage;
  readonly flavour: Flavour;
  readonly body: string;
  readonly nowMs: number;
}

/** What is wrong with the caller's credential; undefined when nothing is. */
export function wrongCredential(
  { keys, awsSecrets }: Credentials,
  { request, flavour, body, nowMs }: CallerFacts,
): string | undefined {
  const key = keyOf(request, flavour);
  if (flavour === 'bedrock' && key === undefined) {
    return wrongSignature({ request, body, nowMs, secrets: awsSecrets });
  }
  return keys === undefined || (key !== undefined && keys.includes(key))
    ? undefined
    : 'Incorrect API key provided.';
}

/** The credential as it was sent, for the ledger's hash. */
export function credentialOf({ headers }: IncomingMessage): string | undefined {
  const own = headers['x-api-key'] ?? headers['api-key'];
  return headers.authorization ?? (typeof own === 'string' ? own : undefined);
}

function keyOf({ headers }: IncomingMessage, flavour: Flavour): string | undefined {
  const bearer = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
  const own = flavour === 'anthropic' ? headers['x-api-key'] : headers['api-key'];
  const isOwn = (flavour === 'anthropic' || flavour === 'azure-openai') && typeof own === 'string';
  return isOwn ? own : bearer;
}
