/**
 * JSON Web Tokens as OIDC issuers sign them. Who signed is decided by the key alone: its type pins the algorithms, so that
 * no header can choose a weaker one, and nothing that a token says is ever fetched. Sources: RFC 7515, 7518, 7519, 8725.
 */
import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';
import * as z from 'zod/mini';
import type { EpochMs } from '../clock.ts';
import { MAX_TOKEN_CHARACTERS, TOKEN_PARTS } from './credential.ts';
import type { SigningKey } from './signing-key.ts';

const LEEWAY_SECONDS = 60;
const MIN_RSA_BITS = 2_048;

export type Claims = Readonly<Record<string, unknown>>;

/** A token that has been read and not yet believed. */
export interface UnverifiedToken {
  readonly alg: string;
  readonly kid: string;
  readonly claims: Claims;
  readonly signed: string;
  readonly signature: Buffer;
}

const headerSchema = z.object({
  alg: z.enum(['RS256', 'PS256', 'ES256']),
  kid: z.string().check(z.minLength(1), z.maxLength(256)),
  typ: z.optional(z.string()),
  /** Extensions that a reader must understand: this one knows none. */
  crit: z.optional(z.never()),
  b64: z.optional(z.never()),
});

/** Undefined for what no reader of ours should go on with. */
export function readToken(token: string): UnverifiedToken | undefined {
  if (token.length > MAX_TOKEN_CHARACTERS) return undefined;
  const [, header = '', payload = '', signature = ''] = TOKEN_PARTS.exec(token) ?? [];
  const head = headerSchema.safeParse(jsonOf(header));
  const claims = z.record(z.string(), z.unknown()).safeParse(jsonOf(payload));
  if (!head.success || !claims.success) return undefined;
  return {
    alg: head.data.alg,
    kid: head.data.kid,
    claims: claims.data,
    signed: `${header}.${payload}`,
    signature: Buffer.from(signature, 'base64url'),
  };
}

function jsonOf(part: string): unknown {
  try {
    return JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(part, 'base64url')),
    );
  } catch {
    return undefined;
  }
}

/** Algorithms that a key of the type may have signed with. */
const ALGORITHMS: Readonly<Record<SigningKey['kty'], readonly string[]>> = {
  RSA: ['RS256', 'PS256'],
  EC: ['ES256'],
};

export function isSignedBy({ alg, signed, signature }: UnverifiedToken, jwk: SigningKey): boolean {
  const fits = ALGORITHMS[jwk.kty].includes(alg) && (jwk.alg === undefined || jwk.alg === alg);
  if (!fits || (jwk.use !== undefined && jwk.use !== 'sig')) return false;
  const key = publicKey(jwk);
  if (key === undefined) return false;
  const data = Buffer.from(signed);
  if (alg === 'ES256') return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature);
  const padding = alg === 'PS256' ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
  return verify(
    'sha256',
    data,
    { key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
    signature,
  );
}

/** Undefined for keys that are broken or too weak. Only public members are ever read. */
function publicKey({ kty, n, e, crv, x, y }: SigningKey): KeyObject | undefined {
  try {
    if (kty === 'EC' && crv !== 'P-256') return undefined;
    const members =
      kty === 'EC' ? { crv: 'P-256', x: x ?? '', y: y ?? '' } : { n: n ?? '', e: e ?? '' };
    const key = createPublicKey({ key: { kty, ...members }, format: 'jwk' });
    const { modulusLength = MIN_RSA_BITS } = key.asymmetricKeyDetails ?? {};
    return modulusLength >= MIN_RSA_BITS ? key : undefined;
  } catch {
    return undefined;
  }
}

const timesSchema = z.object({
  exp: z.number(),
  nbf: z.optional(z.number()),
  iat: z.optional(z.number()),
});
const audienceSchema = z.union([z.string(), z.array(z.string())]);

/** Why a token is not taken, in words for its bearer; undefined when it is. */
export function whyRefused(
  claims: Claims,
  { issuer, audiences }: { readonly issuer: string; readonly audiences: readonly string[] },
  nowMs: EpochMs,
): string | undefined {
  const nowSeconds = nowMs / 1000;
  const times = timesSchema.safeParse(claims);
  const audience = audienceSchema.safeParse(claims['aud']);
  if (claims['iss'] !== issuer) return 'it is from another issuer';
  if (!audience.success || ![audience.data].flat().some((each) => audiences.includes(each)))
    return 'it is for another audience';
  if (!times.success) return 'its times are missing or broken';
  const { exp, nbf = 0, iat = 0 } = times.data;
  if (exp + LEEWAY_SECONDS <= nowSeconds) return 'it has expired';
  if (Math.max(nbf, iat) - LEEWAY_SECONDS > nowSeconds) return 'it is not valid yet';
  return undefined;
}
