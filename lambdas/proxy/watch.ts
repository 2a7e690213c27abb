/** Wires what watches the calls: the log's metrics, the collectors of spans, the trace store. Built once per environment. */
import { randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { systemClock } from '../../core/clock.ts';
import type { Watch } from '../../core/observed-serve.ts';
import { createCredentials } from '../adapters/aws-credentials.ts';
import { createBackgroundRequests } from '../adapters/background-request.ts';
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
  const region = process.env['AWS_REGION'] ?? 'us-east-1';
  const credentials = createCredentials({ clock });
  const { send } = createBackgroundRequests();
  const collectors = collectorsOf(settings, region);
  const resource = { 'service.name': 'tollgate', 'deployment.environment.name': stage };
  const { samplePercent = 0, traceBucket: bucket } = settings;
  return {
    // Past the console, which wraps what it writes: the line must be the whole of its log event.
    countFault,
    emit: (line) => void process.stdout.write(`${JSON.stringify(line)}\n`),
    ...(collectors.length === 0
      ? {}
      : {
          spans: {
            ...createSpanExporter({ collectors, resource, send, clock }),
            sampleRate: samplePercent / 100,
            randomHex: (bytes) => randomBytes(bytes).toString('hex'),
          },
        }),
    ...(bucket === undefined
      ? {}
      : {
          traceStore: createTraceBucket({
            bucket,
            region,
            endpoint: process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL'],
            credentials,
            clock,
            send,
          }),
        }),
  };

  function collectorsOf({ xray, otlp }: Settings, at: string): Collector[] {
    return [
      ...(xray === true ? [xrayCollector({ region: at, credentials, clock })] : []),
      ...(otlp === undefined ? [] : [ownCollector(otlp)]),
    ];
  }
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
  const { SecretsManagerClient, GetSecretValueCommand } = await import(
    '@aws-sdk/client-secrets-manager'
  );
  const client = new SecretsManagerClient({ maxAttempts: 2 });
  const { SecretString = '' } = await client.send(
    new GetSecretValueCommand({ SecretId: secretId }),
  );
  return headersSchema.parse(JSON.parse(SecretString));
}
