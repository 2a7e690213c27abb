/** The credential of a call as its headers have it: a key, or what looks like a token. Believes neither. */
import type { Headers } from './authenticate.ts';

/** API Gateway takes 10,240 bytes of all headers together. */
export const MAX_TOKEN_CHARACTERS = 8_192;
/** Of a JSON Web Token: header, claims and signature. */
export const TOKEN_PARTS = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/;

export function looksLikeToken(credential: string): boolean {
  return TOKEN_PARTS.test(credential);
}

const BEARER = new RegExp(`^Bearer +(\\S{1,${MAX_TOKEN_CHARACTERS}})$`, 'i');

/** The one credential in the headers; two that differ are none at all. */
export function readCredential(headers: Headers): string | undefined {
  const bearer = BEARER.exec(headers['authorization'] ?? '')?.[1];
  const direct = headers['x-api-key'];
  if (bearer !== undefined && direct !== undefined && bearer !== direct) return undefined;
  return bearer ?? direct;
}
