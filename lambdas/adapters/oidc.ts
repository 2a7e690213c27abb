/**
 * Public keys of OIDC issuers, in memory for ten minutes. The addresses are the policy's alone: a discovery document may
 * name a key set at the issuer's own host and nowhere else, and no redirect is followed. While an issuer is out of reach
 * its last good keys serve for an hour.
 */
import type http from 'node:http';
import * as z from 'zod/mini';
import type { Issuer } from '../../core/catalog/snapshot.ts';
import type { Clock, EpochMs } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Report } from '../../core/report.ts';
import type { SigningKeys } from '../../core/tenancy/authenticate.ts';
import { jsonWebKeySchema, type SigningKey } from '../../core/tenancy/signing-key.ts';

const FRESH_MS = 600_000;
const LAST_GOOD_MS = 3_600_000;
/** A key that nobody knows makes the set be read again, but no oftener: anybody can send tokens with new names. */
const REFETCH_MS = 60_000;
const TIMEOUT_MS = 3_000;
const MAX_BYTES = 64_000;
const MAX_KEYS = 50;
/** As many as a policy may have in its wildest; the oldest make room. */
const MAX_ISSUERS = 100;

const discoverySchema = z.object({ issuer: z.string(), jwks_uri: z.string() });
const keySetSchema = z.object({ keys: z.array(z.unknown()).check(z.maxLength(MAX_KEYS)) });

interface KeySet {
  readonly byKid: ReadonlyMap<string, SigningKey>;
  readonly readAtMs: EpochMs;
}

interface Known {
  last?: KeySet;
  triedAtMs?: EpochMs;
  reading?: Promise<void>;
}

export function createOidc({ clock, report }: { clock: Clock; report: Report }): SigningKeys {
  const issuers = new Map<string, Known>();

  async function refresh(known: Known, issuer: Issuer): Promise<void> {
    known.triedAtMs = clock.nowMs();
    try {
      known.last = { byKid: await readKeys(issuer), readAtMs: clock.nowMs() };
    } catch (fault) {
      report('signing keys not refreshed', fault);
    } finally {
      delete known.reading;
    }
  }

  function isFresh({ last }: Known, kid: string): boolean {
    return last?.byKid.has(kid) === true && clock.nowMs() - last.readAtMs < FRESH_MS;
  }

  function mayRead({ triedAtMs }: Known): boolean {
    return triedAtMs === undefined || clock.nowMs() - triedAtMs >= REFETCH_MS;
  }

  return {
    async find(issuer, kid) {
      const known = knownOf(issuers, issuer);
      if (!isFresh(known, kid)) {
        if (mayRead(known)) known.reading ??= refresh(known, issuer);
        await known.reading;
      }
      const { last } = known;
      if (last === undefined || clock.nowMs() - last.readAtMs >= LAST_GOOD_MS)
        throw new GatewayError('limiter_unavailable', 'Sign-in cannot be checked right now.');
      return last.byKid.get(kid);
    },
  };
}

/** By where the keys come from, so that a policy that moves them is obeyed at once. */
function knownOf(issuers: Map<string, Known>, { issuer, jwksUri = '' }: Issuer): Known {
  const name = JSON.stringify([issuer, jwksUri]);
  const known = issuers.get(name) ?? {};
  issuers.delete(name);
  issuers.set(name, known);
  const [oldest] = issuers.keys();
  if (issuers.size > MAX_ISSUERS && oldest !== undefined) issuers.delete(oldest);
  return known;
}

async function readKeys(issuer: Issuer): Promise<ReadonlyMap<string, SigningKey>> {
  const { keys } = keySetSchema.parse(await getJson(issuer.jwksUri ?? (await discover(issuer))));
  // Sets hold keys of other kinds and uses too, which are none of ours.
  const ours = keys.flatMap((key) => jsonWebKeySchema.safeParse(key).data ?? []);
  return new Map(ours.map((key) => [key.kid, key]));
}

/** Source: OpenID Connect Discovery 1.0, section 4. */
async function discover({ issuer }: Issuer): Promise<string> {
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const found = discoverySchema.parse(await getJson(address));
  const isOwn =
    found.issuer === issuer && new URL(found.jwks_uri).origin === new URL(issuer).origin;
  if (isOwn) return found.jwks_uri;
  throw new Error(`the discovery document of ${issuer} names another issuer or another host`);
}

async function getJson(address: string): Promise<unknown> {
  const url = new URL(address);
  const client = url.protocol === 'https:' ? 'node:https' : 'node:http';
  const { get } = process.getBuiltinModule(client);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    get(url, { signal, headers: { accept: 'application/json' } }, resolve).on('error', reject);
  });
  if (response.statusCode !== 200) {
    response.destroy();
    throw new Error(`${url.host} answered ${response.statusCode}`);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    // Leaving the loop destroys the response.
    if (bytes > MAX_BYTES) throw new Error(`${url.host} sent more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
