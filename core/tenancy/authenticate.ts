/** Who is calling: identity comes from the credential alone, never from the body or another header. */
import type { Issuer, KeyRecord, PolicySnapshot, Team } from '../catalog/snapshot.ts';
import type { EpochMs } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { teamOf } from '../routing/select-routes.ts';
import { looksLikeToken, readCredential } from './credential.ts';
import { teamKey } from './scopes.ts';
import type { SigningKey } from './signing-key.ts';
import { hashKey, isWellFormedKey } from './virtual-key.ts';

/**
 * The port to keys and policy. Both may be up to 30 s old, and are the same objects for as long as nothing in them has
 * changed; throws GatewayError when out of reach.
 */
export interface Directory {
  findKey(keyHash: string): Promise<KeyRecord | undefined>;
  /** Where so many milliseconds are less than 30 s, the policy is read again unless it was within them. */
  policy(maxAgeMs?: number): Promise<PolicySnapshot>;
  /** Both as they are in memory, however old; asks nobody. Undefined where one of them is not, or there is no such key. */
  recall?(keyHash: string): Recalled | undefined;
}

interface Recalled {
  readonly key: KeyRecord;
  readonly policy: PolicySnapshot;
  /** Neither is older than 30 s. */
  readonly isFresh: boolean;
}

/** Keys by their public id, for those who meet them in an account. */
export interface KeyDirectory {
  findKeyById(keyId: string): Promise<KeyRecord | undefined>;
}

/** The port to issuers' public keys, by the issuers' own names for them. Throws GatewayError when out of reach. */
export interface SigningKeys {
  find(issuer: Issuer, kid: string): Promise<SigningKey | undefined>;
}

/** What single sign-on needs beside the policy. */
export interface SignIn {
  readonly keys: KeyDirectory;
  readonly signers: SigningKeys;
}

export interface Identity {
  readonly directory: Directory;
  /** Absent: no tokens are taken, whatever the policy says. */
  readonly signIn?: SignIn;
}

export interface Caller {
  readonly key: KeyRecord;
  readonly team: Team;
  readonly policy: PolicySnapshot;
}

export type Headers = Readonly<Record<string, string | undefined>>;

/**
 * Throws GatewayError `invalid_api_key`. Whether the key is still active is not decided here but by the
 * reserve, in the same write that counts the call.
 */
export async function authenticate(
  identity: Identity,
  headers: Headers,
  nowMs: EpochMs,
): Promise<Caller> {
  const credential = readCredential(headers);
  if (credential !== undefined && looksLikeToken(credential)) {
    const { byToken } = await import('./by-token.ts');
    return byToken(identity, credential, nowMs);
  }
  if (credential !== undefined && isWellFormedKey(credential))
    return byKey(identity, credential, nowMs);
  throw new GatewayError(
    'invalid_api_key',
    'No valid API key provided. Send a Tollgate key as a Bearer token or as x-api-key.',
  );
}

async function byKey({ directory }: Identity, secret: string, nowMs: EpochMs): Promise<Caller> {
  const [key, known] = await Promise.all([directory.findKey(hashKey(secret)), directory.policy()]);
  if (key === undefined) throw new GatewayError('invalid_api_key', 'Incorrect API key provided.');
  if (hasExpired(key, nowMs))
    throw new GatewayError('invalid_api_key', 'This API key has expired.');
  const policy = hasTeam(known, key) ? known : await directory.policy(RECENT_MS);
  return { key, team: teamOf(policy, key), policy };
}

function hasExpired({ expiresAtMs }: KeyRecord, nowMs: EpochMs): boolean {
  return expiresAtMs !== undefined && expiresAtMs <= nowMs;
}

/** A key may be made as soon as its team is, which is before the policy in memory knows of either. */
function hasTeam({ teams }: PolicySnapshot, { tenantId, teamId }: KeyRecord): boolean {
  return Object.hasOwn(teams, teamKey(tenantId, teamId));
}

/** Keys whose team is gone for good make an environment read the policy's version once in this time. */
const RECENT_MS = 1_000;

export type KnownCaller =
  | { readonly kind: 'fresh'; readonly caller: Caller }
  | {
      readonly kind: 'old';
      readonly caller: Caller;
      /** Both were read again, and are what they were. Rejects as `authenticate` does where they cannot be read. */
      readonly confirmed: Promise<boolean>;
    };

/** Whose key it is as far as memory knows, old as that may be. Undefined where `authenticate` has to say: it refuses, this does not. */
export function recallCaller(
  { directory }: Identity,
  headers: Headers,
  nowMs: EpochMs,
): KnownCaller | undefined {
  const credential = readCredential(headers);
  if (credential === undefined) return undefined;
  // Whether it is well-formed is not asked: what memory knows by its hash was made a key.
  const keyHash = hashKey(credential);
  const known = directory.recall?.(keyHash);
  if (known === undefined || hasExpired(known.key, nowMs) || !hasTeam(known.policy, known.key))
    return undefined;
  const { key, policy, isFresh } = known;
  const caller = { key, team: teamOf(policy, key), policy };
  if (isFresh) return { kind: 'fresh', caller };
  return { kind: 'old', caller, confirmed: isStill(directory, keyHash, caller) };
}

async function isStill(
  directory: Directory,
  keyHash: string,
  { key, policy }: Caller,
): Promise<boolean> {
  const now = await Promise.all([directory.findKey(keyHash), directory.policy()]);
  return now[0] === key && now[1] === policy;
}
