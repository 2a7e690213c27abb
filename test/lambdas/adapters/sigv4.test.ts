import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AwsCredentials, createSigner } from '../../../lambdas/adapters/sigv4.ts';

const CREDENTIALS: AwsCredentials = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  sessionToken: undefined,
};
const NOW_MS = Date.UTC(2015, 7, 30, 12, 36, 0);

describe('a signature', () => {
  it("is the one of AWS's own example", () => {
    const { authorization } = createSigner({ region: 'us-east-1', service: 'iam' }).sign(
      {
        method: 'GET',
        url: new URL('https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08'),
        headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
        body: '',
      },
      CREDENTIALS,
      NOW_MS,
    );
    expect(authorization).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, ' +
        'SignedHeaders=content-type;host;x-amz-date, ' +
        'Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
    );
  });

  const text = fc.string({ unit: 'grapheme', maxLength: 12 });
  const segment = fc.oneof(
    text.map(encodeURIComponent),
    fc.constantFrom('', 'a b', "!'()*", '%2F', '%252F', 'v1:0', 'ü', '.x', 'arn%3Aaws%3Abedrock'),
  );
  const name = fc.oneof(text, fc.constantFrom('a', 'A', 'a-b', 'x y', '+', "'*'"));
  const query = fc
    .dictionary(name, fc.oneof(text, fc.array(text, { minLength: 1, maxLength: 3 })), {
      maxKeys: 5,
    })
    // AWS's signer loses a parameter of this name.
    .filter((parameters) => !Object.hasOwn(parameters, '__proto__'));
  const request = fc.record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'),
    path: fc.array(segment, { maxLength: 5 }).map((segments) => `/${segments.join('/')}`),
    query,
    headers: fc.dictionary(
      fc.constantFrom('content-type', 'x-amz-target', 'x-amz-meta-a', 'accept', 'user-agent'),
      fc.string({ maxLength: 20 }).map((value) => value.replaceAll(/[^\x20-\x7e\t]/g, '')),
    ),
    body: fc.oneof(fc.uint8Array(), fc.string({ unit: 'grapheme' })),
    service: fc.constantFrom('bedrock', 'dynamodb', 'kinesis', 's3', 'secretsmanager', 'sqs'),
    region: fc.constantFrom('eu-west-1', 'us-gov-east-1'),
    sessionToken: fc.option(fc.base64String({ minLength: 4 }), { nil: undefined }),
    secretAccessKey: fc.string({ minLength: 1 }),
    nowMs: fc.integer({ min: 0, max: 4e12 }),
  });

  it("is that of AWS's own signer for odd paths, queries, headers and bodies", async () => {
    await fc.assert(
      fc.asyncProperty(request, async ({ query: parameters, ...given }) => {
        const credentials = {
          accessKeyId: 'AKID',
          secretAccessKey: given.secretAccessKey,
          sessionToken: given.sessionToken,
        };
        const url = new URL(`https://host.example:8443${given.path}${searchOf(parameters)}`);
        const ours = createSigner(given).sign({ ...given, url }, credentials, given.nowMs);
        const signer = new SignatureV4({
          credentials: withoutUndefined(credentials),
          region: given.region,
          service: given.service,
          sha256: Sha256,
          uriEscapePath: given.service !== 's3',
          applyChecksum: given.service === 's3',
        });
        const theirs = await signer.sign(
          {
            method: given.method,
            protocol: 'https:',
            hostname: 'host.example',
            path: url.pathname,
            query: parameters,
            headers: { ...given.headers, host: 'host.example:8443' },
            body: given.body,
          },
          { signingDate: new Date(given.nowMs), unsignableHeaders: new Set(['accept']) },
        );
        expect(ours).toEqual(theirs.headers);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is the same from a signer that has signed before, also for other keys and days', () => {
    const signer = createSigner({ region: 'eu-west-1', service: 'bedrock' });
    const call = { method: 'POST', url: new URL('https://a.example/x'), headers: {}, body: 'b' };
    const other = { ...CREDENTIALS, secretAccessKey: 'other' };
    const signings: [AwsCredentials, number][] = [
      [CREDENTIALS, NOW_MS],
      [CREDENTIALS, NOW_MS + 86_400_000],
      [other, NOW_MS + 86_400_000],
      [CREDENTIALS, NOW_MS],
    ];
    for (const [credentials, nowMs] of signings) {
      const fresh = createSigner({ region: 'eu-west-1', service: 'bedrock' });
      expect(signer.sign(call, credentials, nowMs)).toEqual(fresh.sign(call, credentials, nowMs));
    }
  });
});

function searchOf(parameters: Readonly<Record<string, string | readonly string[]>>): string {
  const pairs = Object.entries(parameters).flatMap(([name, values]) =>
    [values].flat().map((value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`),
  );
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

function withoutUndefined({ sessionToken, ...rest }: AwsCredentials) {
  return sessionToken === undefined ? rest : { ...rest, sessionToken };
}

/** What AWS's signer wants of a hash. */
class Sha256 {
  readonly #hash: Hash | Hmac;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash =
      secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret));
  }
  update(data: Uint8Array): void {
    this.#hash.update(data);
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
  reset(): void {}
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data)
    ? Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    : Buffer.from(data);
}
