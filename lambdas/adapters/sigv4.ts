/**
 * AWS Signature Version 4 for calls that no SDK makes: an SDK call costs four times a signed call by hand.
 * Signs the host, the content type and every `x-amz-` header; what a proxy may change stays unsigned.
 * Rules: AWS IAM User Guide, "Create a signed AWS API request".
 */
import { createHmac, hash } from 'node:crypto';
import type { EpochMs } from '../../core/clock.ts';

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of a role; undefined for a user's own key. */
  readonly sessionToken: string | undefined;
}

interface UnsignedRequest {
  readonly method: string;
  /** As it goes over the wire: percent-encoded once. */
  readonly url: URL;
  /** Names in lower case; without `host`, which follows from the URL. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export interface Signer {
  /** All headers to send, those given included. */
  sign(
    request: UnsignedRequest,
    credentials: AwsCredentials,
    nowMs: EpochMs,
  ): Readonly<Record<string, string>>;
  /** For calls that differ by their bodies alone, within the second. Not for S3, which wants the body's hash among the headers. */
  prepare(
    request: Omit<UnsignedRequest, 'body'>,
    credentials: AwsCredentials,
    nowMs: EpochMs,
  ): PreparedCall;
}

export interface PreparedCall {
  /** To send beside `authorization`, those given included. */
  readonly headers: Readonly<Record<string, string>>;
  /** The header's value for a call with this body. */
  authorization(body: string | Uint8Array): string;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';

/** `service` as in the signature's scope, which may differ from the host: Bedrock's runtime signs as `bedrock`. */
export function createSigner({ region, service }: { region: string; service: string }): Signer {
  /** A key is good for a day; deriving it is half of the cost of a signature. */
  let cached: { readonly of: string; readonly key: Buffer } | undefined;

  function signingKey({ secretAccessKey }: AwsCredentials, day: string): Buffer {
    const of = `${day}/${secretAccessKey}`;
    if (cached?.of === of) return cached.key;
    const parts = [day, region, service, 'aws4_request'];
    const key = parts.reduce(hmac, Buffer.from(`AWS4${secretAccessKey}`));
    cached = { of, key };
    return key;
  }

  function prepare(
    request: Omit<UnsignedRequest, 'body'>,
    credentials: AwsCredentials,
    nowMs: EpochMs,
  ): PreparedCall {
    const time = `${new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
    const day = time.slice(0, 8);
    const scope = `${day}/${region}/${service}/aws4_request`;
    const headers = withAmzHeaders(request, credentials, time);
    const signed = Object.keys(headers).filter(isSigned).sort();
    const canonical = hashOfEnding(`${canonicalRequest(request, { headers, signed, service })}\n`);
    const signature = macOfEnding(
      signingKey(credentials, day),
      `${ALGORITHM}\n${time}\n${scope}\n`,
    );
    const credential = `Credential=${credentials.accessKeyId}/${scope}`;
    const known = `${ALGORITHM} ${credential}, SignedHeaders=${signed.join(';')}, Signature=`;
    return {
      headers,
      authorization: (body) => known + signature(canonical(sha256(body))),
    };
  }

  return {
    prepare,
    sign({ body, ...request }, credentials, nowMs) {
      // Only S3 asks for the hash in a header; the signature covers it everywhere.
      const hashed = service === 's3' ? { 'x-amz-content-sha256': sha256(body) } : {};
      const given = { ...request, headers: { ...request.headers, ...hashed } };
      const { headers, authorization } = prepare(given, credentials, nowMs);
      return { ...headers, authorization: authorization(body) };
    },
  };
}

function withAmzHeaders(
  { url, headers }: Omit<UnsignedRequest, 'body'>,
  { sessionToken }: AwsCredentials,
  time: string,
): Record<string, string> {
  return {
    ...headers,
    host: url.host,
    'x-amz-date': time,
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
  };
}

function isSigned(name: string): boolean {
  return name === 'host' || name === 'content-type' || name.startsWith('x-amz-');
}

/** Up to the hash of the body. */
function canonicalRequest(
  { method, url }: Omit<UnsignedRequest, 'body'>,
  {
    headers,
    signed,
    service,
  }: {
    headers: Readonly<Record<string, string>>;
    signed: readonly string[];
    service: string;
  },
): string {
  const values = signed.map((name) => `${name}:${oneLine(headers[name] ?? '')}`);
  return [
    method,
    canonicalPath(url.pathname, service),
    canonicalQuery(url.search),
    ...values,
    '',
    signed.join(';'),
  ].join('\n');
}

/** Every service but S3 signs the path encoded a second time, without its empty segments. */
function canonicalPath(path: string, service: string): string {
  if (service === 's3') return path;
  const segments = path.split('/').filter((segment) => segment !== '');
  const isFolder = segments.length > 0 && path.endsWith('/');
  return `/${segments.map(percentEncoded).join('/')}${isFolder ? '/' : ''}`;
}

/** Names and values encoded in the one way that the signature knows, sorted; a plus sign is a plus sign. */
function canonicalQuery(search: string): string {
  return search
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name = '', ...value] = pair.split('=');
      return [name, value.join('=')].map(decodeURIComponent).map(percentEncoded);
    })
    .toSorted(([nameA = '', valueA = ''], [nameB = '', valueB = '']) =>
      nameA === nameB ? compare(valueA, valueB) : compare(nameA, nameB),
    )
    .map((pair) => pair.join('='))
    .join('&');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** RFC 3986: everything but letters, digits and `-._~`. */
function percentEncoded(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Hardly any value needs it, and a session token is long. */
function oneLine(value: string): string {
  return UNTIDY.test(value) ? value.replaceAll(/\s+/g, ' ').trim() : value;
}

const UNTIDY = /^\s|\s$|\s\s|[^\S ]/;

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

/** Of the text that ends with a hash in hexadecimal digits, all but which is known before; in such digits too. */
type EndingHash = (hexadecimal: string) => string;

const BLOCK_BYTES = 64;
const HASH_BYTES = 32;
const DIGITS = 2 * HASH_BYTES;

function hashOfEnding(begin: string | Buffer): EndingHash {
  const text = Buffer.concat([Buffer.from(begin), Buffer.alloc(DIGITS)]);
  const at = text.length - DIGITS;
  return (ending) => {
    text.write(ending, at, 'latin1');
    return hash('sha256', text, 'hex');
  };
}

/**
 * HMAC-SHA-256 (RFC 2104) under a key that is no longer than a block, by two hashes: Node's own makes two objects for each text, which
 * live until they are collected.
 */
function macOfEnding(key: Buffer, begin: string): EndingHash {
  const padded = (filler: number) =>
    Buffer.alloc(BLOCK_BYTES, filler).map((byte, index) => byte ^ (key[index] ?? 0));
  const inner = hashOfEnding(Buffer.concat([padded(0x36), Buffer.from(begin)]));
  const outer = Buffer.concat([padded(0x5c), Buffer.alloc(HASH_BYTES)]);
  return (ending) => {
    outer.write(inner(ending), BLOCK_BYTES, 'hex');
    return hash('sha256', outer, 'hex');
  };
}

function sha256(data: string | Uint8Array): string {
  return hash('sha256', data, 'hex');
}
