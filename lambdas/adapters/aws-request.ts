/**
 * A signed request to an AWS service that speaks JSON, as the text that goes over the wire. All but the signature, the length and
 * the body is the same for every call of an operation within a second, and is made once.
 */
import type { EpochMs } from '../../core/clock.ts';
import { AwsFault } from './aws-fault.ts';
import { type AwsCredentials, createSigner, type PreparedCall } from './sigv4.ts';

export interface RequestWriter {
  /** Throws AwsFault `unsent` when a header would not stay on its line. */
  write(call: AwsCall, credentials: AwsCredentials, nowMs: EpochMs): string;
}

interface AwsCall {
  readonly operation: string;
  readonly body: string;
}

interface Place {
  readonly url: URL;
  readonly region: string;
  readonly service: string;
  /** Before the operation in `x-amz-target`. */
  readonly target: string;
  readonly contentType: string;
}

interface Prepared extends PreparedCall {
  readonly of: { readonly credentials: AwsCredentials; readonly second: number };
  readonly head: string;
}

export function createRequestWriter({ url, region, service, ...place }: Place): RequestWriter {
  const signer = createSigner({ region, service });
  /** By operation. */
  const prepared = new Map<string, Prepared>();

  function prepare(operation: string, credentials: AwsCredentials, second: number): Prepared {
    const target = `${place.target}.${operation}`;
    const headers = { 'content-type': place.contentType, 'x-amz-target': target };
    const call = signer.prepare({ method: 'POST', url, headers }, credentials, second * 1_000);
    const lines = Object.entries({ ...call.headers, 'accept-encoding': 'identity' }).map(
      ([name, value]) => `${name}: ${onItsLine(value)}\r\n`,
    );
    const head = `POST ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join('')}`;
    return { ...call, of: { credentials, second }, head };
  }

  return {
    write({ operation, body }, credentials, nowMs) {
      const second = Math.floor(nowMs / 1_000);
      let known = prepared.get(operation);
      if (known?.of.second !== second || known.of.credentials !== credentials) {
        known = prepare(operation, credentials, second);
        prepared.set(operation, known);
      }
      const authorization = known.authorization(body);
      const length = Buffer.byteLength(body);
      return `${known.head}authorization: ${authorization}\r\ncontent-length: ${length}\r\n\r\n${body}`;
    },
  };
}

function onItsLine(value: string): string {
  if (/^[\t\x20-\x7e]*$/.test(value)) return value;
  throw new AwsFault('unsent', { message: 'a header that is no header' });
}
