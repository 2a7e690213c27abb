/**
 * Spans to their collectors by OTLP over HTTP, in JSON: to X-Ray, signed, and to an endpoint of the operator's choice.
 * The spans of one call make one request to each, because a function may be frozen as soon as its call is over.
 */
import type { Clock } from '../../core/clock.ts';
import { otlpRequest } from '../../core/telemetry/otlp-json.ts';
import type { Span, SpanAttributes } from '../../core/telemetry/spans.ts';
import type { CredentialSource } from './aws-credentials.ts';
import type { SendInBackground } from './background-request.ts';
import { createSigner, type Signer } from './sigv4.ts';

export interface Collector {
  /** Ends in `/v1/traces`. */
  readonly url: URL;
  /** Adds what the collector wants to see; absent: nothing. */
  readonly authorize?: (request: Unauthorized) => Promise<Readonly<Record<string, string>>>;
}

interface Unauthorized {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface SpanExporterOptions {
  readonly collectors: readonly Collector[];
  readonly resource: SpanAttributes;
  readonly send: SendInBackground;
  readonly clock: Clock;
}

/** What a call's environment waits at most, and pays for. */
const TIMEOUT_MS = 1_500;
/** Of one environment. A collector that is slow must not make a queue. */
const MAX_UNDER_WAY = 16;
/** For so long nothing is sent after a failure, so that a collector that is out costs no call after the first its time. */
const PAUSE_MS = 5_000;
/** X-Ray takes 5 MB. */
const MAX_BYTES = 200_000;

/** `export` rejects when a collector did not take the spans. */
export function createSpanExporter({ collectors, resource, send, clock }: SpanExporterOptions): {
  export(spans: readonly Span[]): Promise<void>;
} {
  let underWay = 0;
  let pausedUntilMs = 0;

  async function exportTo({ url, authorize }: Collector, body: string): Promise<void> {
    const headers = { 'content-type': 'application/json' };
    const authorized = (await authorize?.({ url, headers, body })) ?? headers;
    await send({ method: 'POST', url, headers: authorized, body, timeoutMs: TIMEOUT_MS });
  }

  return {
    async export(spans) {
      if (clock.nowMs() < pausedUntilMs) throw new Error('a collector failed a moment ago');
      if (underWay >= MAX_UNDER_WAY) throw new Error('too many exports of spans are under way');
      const body = JSON.stringify(otlpRequest(spans, resource));
      if (body.length > MAX_BYTES) throw new Error(`spans of more than ${MAX_BYTES} bytes`);
      underWay += 1;
      try {
        await all(collectors.map((collector) => exportTo(collector, body)));
      } catch (fault) {
        pausedUntilMs = clock.nowMs() + PAUSE_MS;
        throw fault;
      } finally {
        underWay -= 1;
      }
    },
  };
}

/** Waits for all of them, then rejects with the first that failed. */
async function all(exports: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(exports);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** X-Ray's OTLP endpoint. The account needs Transaction Search: without it X-Ray refuses spans in this form. */
export function xrayCollector({
  region,
  credentials,
  clock,
}: {
  readonly region: string;
  readonly credentials: CredentialSource;
  readonly clock: Clock;
}): Collector {
  const signer: Signer = createSigner({ region, service: 'xray' });
  return {
    url: new URL(`https://xray.${region}.amazonaws.com/v1/traces`),
    authorize: async (request) =>
      signer.sign({ method: 'POST', ...request }, await credentials.get(), clock.nowMs()),
  };
}
