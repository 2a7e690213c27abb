/** Who is calling: identity comes from the credential alone, never from the body or another header. */
import type { Issuer, KeyRecord, PolicySnapshot, Team } from '../catalog/snapshot.ts';
import type { EpochMs } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { teamOf } from '../routing/select-routes.ts';
import {
  isSignedBy,
  looksLikeToken,
  MAX_TOKEN_CHARACTERS,
  readToken,
  type SigningKey,
  whyRefused,
} from './jwt.ts';
import { asUser, placeOf, ssoKeyId } from './sign-in.ts';
import { hashKey, isWellFormedKey } from './virtual-key.ts';

/** The port to keys and policy. Both may be up to 30 s old; throws GatewayError when out of reach. */
export interface Directory {
  findKey(keyHash: string): Promise<KeyRecord | undefined>;
  policy(): Promise<PolicySnapshot>;
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
  if (credential !== undefined && looksLikeToken(credential))
    return byToken(identity, credential, nowMs);
  if (credential !== undefined && isWellFormedKey(credential))
    return byKey(identity, credential, nowMs);
  throw new GatewayError(
    'invalid_api_key',
    'No valid API key provided. Send a Tollgate key as a Bearer token or as x-api-key.',
  );
}

async function byKey({ directory }: Identity, secret: string, nowMs: EpochMs): Promise<Caller> {
  const [key, policy] = await Promise.all([directory.findKey(hashKey(secret)), directory.policy()]);
  if (key === undefined) throw new GatewayError('invalid_api_key', 'Incorrect API key provided.');
  if (key.expiresAtMs !== undefined && key.expiresAtMs <= nowMs)
    throw new GatewayError('invalid_api_key', 'This API key has expired.');
  return { key, team: teamOf(policy, key), policy };
}

async function byToken(
  { directory, signIn }: Identity,
  text: string,
  nowMs: EpochMs,
): Promise<Caller> {
  const policy = await directory.policy();
  const token = readToken(text);
  if (token === undefined) throw notTaken('it is malformed, too long or signed in a way not taken');
  // What the token says of its issuer only chooses among those that the policy trusts.
  const issuer = policy.issuers?.find((each) => each.issuer === token.claims['iss']);
  if (issuer === undefined || signIn === undefined)
    throw notTaken('its issuer is not trusted here');
  const signer = await signIn.signers.find(issuer, token.kid);
  if (signer === undefined || !isSignedBy(token, signer)) throw notTaken('its signature is wrong');
  const reason = whyRefused(token.claims, issuer, nowMs);
  if (reason !== undefined) throw notTaken(reason);
  const place = placeOf(issuer, token.claims, policy);
  if (place === undefined) throw notTaken('no rule gives its bearer a project here');
  const record = await signIn.keys.findKeyById(ssoKeyId(issuer.id, place));
  if (record === undefined) throw notTaken('its project takes no tokens yet');
  const key = asUser(record, issuer, token.claims);
  return { key, team: teamOf(policy, key), policy };
}

function notTaken(reason: string): GatewayError {
  return new GatewayError('invalid_api_key', `This token is not accepted: ${reason}.`);
}

const BEARER = new RegExp(`^Bearer +(\\S{1,${MAX_TOKEN_CHARACTERS}})$`, 'i');

/** The one credential in the headers; two that differ are none at all. */
function readCredential(headers: Headers): string | undefined {
  const bearer = BEARER.exec(headers['authorization'] ?? '')?.[1];
  const direct = headers['x-api-key'];
  if (bearer !== undefined && direct !== undefined && bearer !== direct) return undefined;
  return bearer ?? direct;
}
