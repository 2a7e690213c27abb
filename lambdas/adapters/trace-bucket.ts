/** Records of calls into the trace store's bucket, by a signed request: an SDK's client would outweigh all the rest of the proxy. */
import type { Clock } from '../../core/clock.ts';
import type { TraceObject } from '../../core/traces/trace-record.ts';
import type { CredentialSource } from './aws-credentials.ts';
import type { SendInBackground } from './background-request.ts';
import { createSigner } from './sigv4.ts';

export interface TraceBucketOptions {
  readonly bucket: string;
  readonly region: string;
  /** Of another S3 than AWS's, such as one on this machine. */
  readonly endpoint: string | undefined;
  readonly credentials: CredentialSource;
  readonly clock: Clock;
  readonly send: SendInBackground;
}

const TIMEOUT_MS = 3_000;
/** S3 asks its callers to try again when it is busy; the record is then the same. */
const ATTEMPTS = 2;

/** `put` rejects when the record is not stored. Encryption is the bucket's own setting. */
export function createTraceBucket(options: TraceBucketOptions): {
  put(object: TraceObject): Promise<void>;
} {
  const { region, credentials, clock, send } = options;
  const signer = createSigner({ region, service: 's3' });
  const base = baseUrl(options);

  async function putOnce({ key, body }: TraceObject): Promise<void> {
    const url = new URL(`${base}/${key.split('/').map(encodeURIComponent).join('/')}`);
    const unsigned = { method: 'PUT', url, headers: { 'content-type': 'application/json' }, body };
    const headers = signer.sign(unsigned, await credentials.get(), clock.nowMs());
    await send({ method: 'PUT', url, headers, body, timeoutMs: TIMEOUT_MS });
  }

  return {
    async put(object) {
      for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
        try {
          return await putOnce(object);
        } catch {
          // The last attempt says why.
        }
      }
      return putOnce(object);
    },
  };
}

function baseUrl({ bucket, region, endpoint }: TraceBucketOptions): string {
  if (endpoint !== undefined) return `${endpoint.replace(/\/$/, '')}/${bucket}`;
  return `https://${bucket}.s3.${region}.amazonaws.com`;
}
