import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface LocalIssuer {
  readonly url: string;
  /** How often its key set was read. */
  readonly reads: () => number;
  /** What it answers instead of its key set. */
  answerWith(
    handle: ((request: IncomingMessage, response: ServerResponse) => void) | undefined,
  ): void;
  /** A new key in the place of all others. */
  rotate(kid: string, kind?: 'RSA' | 'EC'): KeyObject;
  readonly jwks: () => readonly object[];
  close(): Promise<void>;
}

/** An OpenID issuer on this machine: discovery and a key set, and nothing else. */
export async function startIssuer(): Promise<LocalIssuer> {
  let keys: object[] = [];
  let reads = 0;
  let handle: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  let url = '';
  const server = createServer((request, response) => {
    if (request.url === '/.well-known/openid-configuration') {
      response.end(JSON.stringify({ issuer: url, jwks_uri: `${url}/jwks` }));
      return;
    }
    reads += 1;
    if (handle !== undefined) handle(request, response);
    else response.end(JSON.stringify({ keys }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  url = `http://127.0.0.1:${address.port}`;
  return {
    url,
    reads: () => reads,
    answerWith(next) {
      handle = next;
    },
    rotate(kid, kind = 'EC') {
      const pair =
        kind === 'EC'
          ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
          : generateKeyPairSync('rsa', { modulusLength: 2_048 });
      keys = [{ ...pair.publicKey.export({ format: 'jwk' }), kid, use: 'sig' }];
      return pair.privateKey;
    },
    jwks: () => keys,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token as its header says, signed with whatever key is given. */
export function tokenOf(
  header: { readonly alg: string; readonly [name: string]: unknown },
  claims: object,
  key: KeyObject,
): string {
  const signed = `${part(header)}.${part(claims)}`;
  const options = header.alg === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' as const } : { key };
  return `${signed}.${sign('sha256', Buffer.from(signed), options).toString('base64url')}`;
}
