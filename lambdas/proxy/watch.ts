/** Wires what watches the calls: the log's metrics, the collectors of spans, the trace store. Built once per environment. */
import { randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { type Clock, systemClock } from '../../core/clock.ts';
import type { Watch } from '../../core/observed-serve.ts';
import { createAws } from '../adapters/aws-client.ts';
import { type CredentialSource, createCredentials } from '../adapters/aws-credentials.ts';
import { createBackgroundRequests, type SendInBackground } from '../adapters/background-request.ts';
import { readEnvironment } from '../adapters/environment.ts';
import { type Collector, createSpanExporter, xrayCollector } from '../adapters/span-exporter.ts';
import { createTraceBucket } from '../adapters/trace-bucket.ts';

const settingsSchema = z.object({
  /** Of traces, 0 to 100. */
  samplePercent: z.optional(z.number()),
  xray: z.optional(z.boolean()),
  otlp: z.optional(z.object({ endpoint: z.string(), headersSecret: z.optional(z.string()) })),
  traceBucket: z.optional(z.string()),
});
type Settings = z.infer<typeof settingsSchema>;

const clock = systemClock;

export function createWatch(countFault: () => void): Watch {
  const { observation, stage } = readEnvironment(['observation', 'stage']);
  const settings = settingsSchema.parse(JSON.parse(observation));
  const { xray, otlp, traceBucket } = settings;
  const told: Watch = {
    countFault,
    // Past the console, which wraps what it writes: the line must be the whole of its log event.
    emit: (line) => void process.stdout.write(`${JSON.stringify(line)}\n`),
  };
  if (xray !== true && otlp === undefined && traceBucket === undefined) return told;
  const wire: Wire = {
    region: process.env['AWS_REGION'] ?? 'us-east-1',
    credentials: createCredentials({ clock }),
    clock,
    send: createBackgroundRequests().send,
  };
  return { ...told, ...spansOf(settings, stage, wire), ...traceStoreOf(traceBucket, wire) };
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
