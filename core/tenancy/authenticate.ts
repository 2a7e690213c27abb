/** Who is calling: identity comes from the credential alone, never from the body or another header. */
import type { KeyRecord, PolicySnapshot, Team } from '../catalog/snapshot.ts';
import type { EpochMs } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { teamOf } from '../routing/select-routes.ts';
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
  directory: Directory,
  headers: Headers,
  nowMs: EpochMs,
): Promise<Caller> {
  const secret = readKey(headers);
  if (secret === undefined || !isWellFormedKey(secret)) {
    throw new GatewayError(
      'invalid_api_key',
      'No valid API key provided. Send a Tollgate key as a Bearer token or as x-api-key.',
    );
  }
  const [key, policy] = await Promise.all([directory.findKey(hashKey(secret)), directory.policy()]);
  if (key === undefined) throw new GatewayError('invalid_api_key', 'Incorrect API key provided.');
  if (key.expiresAtMs !== undefined && key.expiresAtMs <= nowMs)
    throw new GatewayError('invalid_api_key', 'This API key has expired.');
  return { key, team: teamOf(policy, key), policy };
}

/** The one key in the headers; two that differ are no key at all. */
function readKey(headers: Headers): string | undefined {
  const bearer = /^Bearer +(\S{1,256})$/i.exec(headers['authorization'] ?? '')?.[1];
  const direct = headers['x-api-key'];
  if (bearer !== undefined && direct !== undefined && bearer !== direct) return undefined;
  return bearer ?? direct;
}
