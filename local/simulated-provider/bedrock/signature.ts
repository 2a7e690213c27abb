/**
 * Signature version 4, checked as Bedrock does: well-formed, for the service `bedrock`, of today, and right where
 * the secret is known. Source: AWS, "Create a signed AWS API request".
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export interface SignedRequest {
  readonly request: IncomingMessage;
  readonly body: string;
  readonly nowMs: number;
  /** Secrets by access key id; a key that is not here is believed. */
  readonly secrets: Readonly<Record<string, string>>;
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=(?<key>[^/,\s]+)\/(?<date>\d{8})\/(?<region>[a-z0-9-]+)\/(?<service>[a-z0-9-]+)\/aws4_request, ?SignedHeaders=(?<signed>[a-z0-9;-]+), ?Signature=(?<signature>[0-9a-f]{64})$/;
const DATE = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;
const MAX_SKEW_MS = 300_000;

/** What is wrong with the signature; undefined when nothing is. */
export function wrongSignature(signed: SignedRequest): string | undefined {
  const { headers } = signed.request;
  const parts = AUTHORIZATION.exec(headers.authorization ?? '')?.groups;
  if (parts === undefined) return 'The authorization header is missing or malformed.';
  const { key = '', date = '', service, signed: names = '', signature = '' } = parts;
  if (service !== 'bedrock') return `Credential should be scoped to the service bedrock.`;
  const time = String(headers['x-amz-date']);
  const atMs = Date.parse(time.replace(DATE, '$1-$2-$3T$4:$5:$6Z'));
  if (!(Math.abs(atMs - signed.nowMs) <= MAX_SKEW_MS) || !time.startsWith(date)) {
    return 'Signature expired or not yet current.';
  }
  const needed = [
    'host',
    'x-amz-date',
    ...('x-amz-security-token' in headers ? ['x-amz-security-token'] : []),
  ];
  const missing = needed.find((name) => !names.split(';').includes(name));
  if (missing !== undefined) return `'${missing}' must be a signed header.`;
  const secret = Object.hasOwn(signed.secrets, key) ? signed.secrets[key] : undefined;
  if (secret === undefined) return undefined;
  const expected = signatureOf(signed, { ...parts, time, secret, names });
  const right = timingSafeEqual(Buffer.from(expected), Buffer.from(signature));
  return right
    ? undefined
    : 'The request signature we calculated does not match the signature you provided.';
}

interface Parts {
  readonly date?: string;
  readonly region?: string;
  readonly time: string;
  readonly secret: string;
  readonly names: string;
}

function signatureOf(
  { request, body }: SignedRequest,
  { date = '', region = '', time, secret, names }: Parts,
): string {
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const canonical = [
    request.method,
    // Every service but S3 encodes the path a second time.
    path.split('/').map(encodeURIComponent).join('/'),
    query.split('&').sort().join('&'),
    ...names.split(';').map((name) => `${name}:${String(request.headers[name]).trim()}`),
    '',
    names,
    sha256(body),
  ].join('\n');
  const scope = `${date}/${region}/bedrock/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
  const key = [date, region, 'bedrock', 'aws4_request'].reduce<string | Buffer>(
    (bytes, part) => hmac(bytes, part),
    `AWS4${secret}`,
  );
  return hmac(key, text).toString('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
