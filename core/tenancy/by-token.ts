/** A caller who comes with a token of single sign-on. Loaded by the first: most callers have keys. */
import type { EpochMs } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { teamOf } from '../routing/select-routes.ts';
import type { Caller, Identity } from './authenticate.ts';
import { isSignedBy, readToken, whyRefused } from './jwt.ts';
import { asUser, placeOf, ssoKeyId } from './sign-in.ts';

export async function byToken(
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
