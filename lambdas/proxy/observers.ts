/** What calls are told to beside the log: collectors of spans, and the trace store. Loaded where the stage has one of them. */
import { randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { type Clock, systemClock } from '../../core/clock.ts';
import type { Watch } from '../../core/observed-serve.ts';
import { createAws } from '../adapters/aws-client.ts';
import { type CredentialSource, createCredentials } from '../adapters/aws-credentials.ts';
import { createBackgroundRequests, type SendInBackground } from '../adapters/background-request.ts';
import { type Collector, createSpanExporter, xrayCollector } from '../adapters/span-exporter.ts';
import { createTraceBucket } from '../adapters/trace-bucket.ts';
import type { Settings } from './watch.ts';

const clock = systemClock;

export function createObservers(
  settings: Settings,
  stage: string,
): Pick<Watch, 'spans' | 'traceStore'> {
  const wire: Wire = {
    region: process.env['AWS_REGION'] ?? 'us-east-1',
    credentials: createCredentials({ clock }),
    clock,
    send: createBackgroundRequests().send,
  };
  return { ...spansOf(settings, stage, wire), ...traceStoreOf(settings.traceBucket, wire) };
}

interface Wire {
  readonly region: string;
  readonly credentials: CredentialSource;
  readonly clock: Clock;
  readonly send: SendInBackground;
}

function spansOf(
  { samplePercent = 0, xray, otlp }: Settings,
  stage: string,
  wire: Wire,
): Pick<Watch, 'spans'> {
  const collectors: Collector[] = [
    ...(xray === true ? [xrayCollector(wire)] : []),
    ...(otlp === undefined ? [] : [ownCollector(otlp)]),
  ];
  if (collectors.length === 0) return {};
  const resource = { 'service.name': 'tollgate', 'deployment.environment.name': stage };
  return {
    spans: {
      ...createSpanExporter({ collectors, resource, ...wire }),
      sampleRate: samplePercent / 100,
      randomHex: (bytes) => randomBytes(bytes).toString('hex'),
    },
  };
}

function traceStoreOf(bucket: string | undefined, wire: Wire): Pick<Watch, 'traceStore'> {
  if (bucket === undefined) return {};
  const endpoint = process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL'];
  return { traceStore: createTraceBucket({ bucket, endpoint, ...wire }) };
}

const headersSchema = z.record(z.string(), z.string());

/** The headers are read once: who changes the secret deploys, or waits for new environments. */
function ownCollector({ endpoint, headersSecret }: NonNullable<Settings['otlp']>): Collector {
  const url = new URL(`${endpoint.replace(/\/$/, '')}/v1/traces`);
  if (headersSecret === undefined) return { url };
  let secret: Promise<Record<string, string>> | undefined;
  return {
    url,
    async authorize({ headers }) {
      secret ??= readHeaders(headersSecret).catch((fault: unknown) => {
        secret = undefined;
        throw fault;
      });
      return { ...(await secret), ...headers };
    },
  };
}

/** A JSON object of header names and values. */
async function readHeaders(secretId: string): Promise<Record<string, string>> {
  const aws = createAws({ clock: systemClock });
  try {
    const client = aws.client('secretsmanager', { attempts: 2, attemptMs: 2_000 });
    const { SecretString } = await client.call('GetSecretValue', { SecretId: secretId });
    return headersSchema.parse(JSON.parse(String(SecretString)));
  } finally {
    aws.close();
  }
}
