/** The settings of one stage: one YAML file, validated whole before any construct exists. */
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type Document, isNode, LineCounter, parseDocument } from 'yaml';
import * as z from 'zod';
import { projectRoot } from './project-root.ts';

/** Reads `config/<stage>.yaml`. Throws an Error that lists every wrong setting with file, line and path. */
export function loadStageConfig(
  stage: string,
  directory = join(projectRoot, 'config'),
): StageConfig {
  if (!/^[a-z][a-z0-9]{0,15}$/.test(stage)) {
    throw new Error(`stage: expected a short lower-case name such as dev, found ${show(stage)}`);
  }
  const path = join(directory, `${stage}.yaml`);
  const file = relative(projectRoot, path);
  if (!existsSync(path))
    throw new Error(`${file}: expected the settings of stage ${show(stage)}, found no file`);
  return parseStageConfig({ stage, file, text: readFileSync(path, 'utf8') });
}

/** The same from text; `file` is only named in errors. */
export function parseStageConfig(source: {
  readonly stage: string;
  readonly file: string;
  readonly text: string;
}): StageConfig {
  const lines = new LineCounter();
  const document = parseDocument(source.text, { lineCounter: lines });
  const syntaxError = document.errors[0];
  if (syntaxError !== undefined) throw new Error(`${source.file}: ${syntaxError.message}`);
  const parsed = stageSettingsSchema.safeParse(document.toJS());
  if (parsed.success) return { stage: source.stage, ...parsed.data };
  const complaints = parsed.error.issues.flatMap((issue) => describe(issue, document, lines));
  throw new Error(complaints.map((complaint) => `${source.file}:${complaint}`).join('\n'));
}

const positive = z.int().min(1);
const instanceTypes = z.array(z.string().min(1)).min(1);

const lambdaCompute = z.strictObject({
  kind: z.literal('lambda'),
  memoryMb: z.int().min(128).max(10_240),
  /** Takes this many from the account's limit and never uses more. */
  reservedConcurrency: positive.optional(),
  /** Environments kept warm, billed by the hour. */
  provisionedConcurrency: positive.optional(),
});

const managedInstancesCompute = z.strictObject({
  kind: z.literal('managed-instances'),
  memoryMb: z.int().min(2048).max(32_768),
  instanceTypes,
  maxVcpus: z.int().min(2),
  /** Requests that one environment serves at once; at most 64 for each vCPU. */
  streamsPerEnvironment: positive,
  minEnvironments: z.int().min(3),
  maxEnvironments: positive,
  /** Calls of one environment share what they take from accounts (ADR 0016): fewer writes, and limits that bind a moment earlier. */
  leases: z.boolean().default(true),
});

const inferenceSettings = z.strictObject({
  enabled: z.literal(true),
  /** The model's name at its hub, as vLLM loads it. */
  model: z.string().min(1),
  instanceTypes,
  tasks: positive,
  image: z.string().default('vllm/vllm-openai:v0.11.0'),
});

const region = z
  .string()
  .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'expected an AWS region such as us-east-1');

const bedrockSettings = z.strictObject({
  /** Where calls are sent to; absent: the stage's own region. */
  regions: z.array(region).min(1).optional(),
  /** As the policy's routes name them. */
  models: z
    .array(
      z
        .string()
        .regex(
          /^(arn:[\w-]+:bedrock:[\w:/.-]+|[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?(:\w+)?)$/,
          'expected the id of a model or inference profile, or an ARN',
        ),
    )
    .min(1),
});

const traceSettings = z.strictObject({
  /** Share of the traces that are kept. Those of calls that failed always are. */
  samplePercent: z.number().min(0).max(100),
  /** To X-Ray. The account needs CloudWatch's Transaction Search, which is enabled once by hand. */
  xray: z.boolean().default(false),
  /** To a collector of your own, by OTLP over HTTP. */
  otlp: z
    .strictObject({
      /** `/v1/traces` is appended. */
      endpoint: z.string().regex(/^https:\/\/[^\s?#]+$/, 'expected an https URL without query'),
      /** Name of an existing secret: a JSON object of the headers that the collector wants. */
      headersSecret: z
        .string()
        .regex(/^[\w/+=.@-]{1,512}$/, 'expected the name of a secret')
        .optional(),
    })
    .optional(),
});

const stageSettingsSchema = z.strictObject({
  account: z
    .string()
    .regex(/^\d{12}$/, 'expected twelve digits in quotes')
    .optional(),
  region,
  removalProtection: z.boolean(),
  logLevel: z.enum(['DEBUG', 'INFO', 'WARN', 'ERROR']),
  logRetentionDays: z.literal([
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827,
  ]),
  compute: z.discriminatedUnion('kind', [lambdaCompute, managedInstancesCompute]),
  throttle: z.strictObject({ requestsPerSecond: positive, burst: positive }),
  waf: z.boolean(),
  domain: z
    .strictObject({
      name: z.string().min(1),
      certificateArn: z
        .string()
        .regex(/^arn:[\w-]+:acm:/, 'expected the ARN of an ACM certificate'),
      hostedZone: z.strictObject({ id: z.string().min(1), name: z.string().min(1) }),
    })
    .optional(),
  providerSecrets: z
    .array(z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'expected a lower-case name'))
    .min(1),
  /** The models of Amazon Bedrock that the proxy's role may call, and no others. Absent: none. */
  bedrock: bedrockSettings.optional(),
  alerts: z.strictObject({
    email: z.email('expected an e-mail address').optional(),
    /** Where people read this project's files: alerts and alarms then link their section of the runbook. */
    docsUrl: z
      .string()
      .regex(
        /^https:\/\/[^\s?#]{1,200}[^\s?#/]$/,
        'expected an https URL without a slash at its end',
      )
      .optional(),
    slack: z
      .strictObject({
        workspaceId: z
          .string()
          .regex(/^T\w+$/, 'expected a Slack workspace id such as T0000000000'),
        channelId: z.string().regex(/^C\w+$/, 'expected a Slack channel id such as C0000000000'),
      })
      .optional(),
  }),
  /** Who gets the monthly chargeback and every team's week; others subscribe to the topic with a filter. */
  statements: z
    .strictObject({ email: z.email('expected an e-mail address').optional() })
    .default({}),
  /** How long nobody can change or delete a record of the audit log; of `compliance` not even the account's owner. */
  audit: z
    .strictObject({
      mode: z.enum(['governance', 'compliance']).default('governance'),
      years: z.int().min(1).max(10).default(1),
    })
    .prefault({}),
  /** Spans of calls: off where this is left out, because collectors bill them. */
  traces: traceSettings.optional(),
  /** A bucket for prompts and answers of tenants whose policy says so. Its encryption key costs $1 a month. */
  traceStore: z.boolean().default(false),
  athena: z.strictObject({ scanLimitGb: positive }),
  inference: z.discriminatedUnion('enabled', [
    z.strictObject({ enabled: z.literal(false) }),
    inferenceSettings,
  ]),
});

export type StageConfig = { readonly stage: string } & z.infer<typeof stageSettingsSchema>;
export type BedrockSettings = z.infer<typeof bedrockSettings>;
export type InferenceSettings = z.infer<typeof inferenceSettings>;
export type ManagedInstancesCompute = z.infer<typeof managedInstancesCompute>;

/** `12: compute.memoryMb: expected number, found "big"`. */
function describe(issue: z.core.$ZodIssue, document: Document, lines: LineCounter): string[] {
  const path = issue.path.map(String);
  const at = (where: readonly string[]) =>
    `${lineOf(where, document, lines)}: ${where.join('.') || 'the whole file'}`;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${at([...path, key])}: expected no such setting`);
  }
  const expectation = issue.message
    .replace(/^.*?[Ee]xpected /, 'expected ')
    .replace(/, received .*$/, '');
  const found = document.getIn(path);
  return [`${at(path)}: ${expectation}, found ${show(isNode(found) ? found.toJSON() : found)}`];
}

/** The line of the setting, or of the nearest enclosing one when the setting is missing. */
function lineOf(path: readonly string[], document: Document, lines: LineCounter): number {
  const node = document.getIn(path, true);
  if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  return path.length === 0 ? 1 : lineOf(path.slice(0, -1), document, lines);
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
