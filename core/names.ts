/** Names that synth time and run time share. A name that only one side uses does not belong here. */

/** Environment variables of the functions. */
export const ENV = {
  accountsTable: 'ACCOUNTS_TABLE',
  catalogTable: 'CATALOG_TABLE',
  rollupsTable: 'ROLLUPS_TABLE',
  usageStream: 'USAGE_STREAM',
  spillQueueUrl: 'SPILL_QUEUE_URL',
  alertBus: 'ALERT_BUS',
  /** What the platform team gets; what teams get, each message with its `channel`; what AWS's chat service shows. */
  alertTopic: 'ALERT_TOPIC',
  teamAlertTopic: 'TEAM_ALERT_TOPIC',
  chatTopic: 'CHAT_TOPIC',
  /** JSON object: Slack channel -> URL of its webhook. */
  slackWebhooksSecret: 'SLACK_WEBHOOKS_SECRET',
  /** Where people read the project's files, without a slash at its end; absent where the stage names none. */
  docsUrl: 'DOCS_URL',
  /** JSON object: secret reference of the policy file -> secret ARN. */
  providerSecrets: 'PROVIDER_SECRETS',
  /** ARN of the secret from which tenants' salts of shared caches are made. */
  cacheSecret: 'CACHE_SECRET',
  adminKeySecret: 'ADMIN_KEY_SECRET',
  athenaWorkGroup: 'ATHENA_WORK_GROUP',
  /** The workgroup of questions, for a function whose own is that of a writer. */
  questionsWorkGroup: 'QUESTIONS_WORK_GROUP',
  /** S3 address of the ledger's folder. */
  ledgerLocation: 'LEDGER_LOCATION',
  /** The bucket of the lake: statements, invoices, the reconciler's state and results. */
  lakeBucket: 'LAKE_BUCKET',
  statementsTopic: 'STATEMENTS_TOPIC',
  auditTable: 'AUDIT_TABLE',
  auditBucket: 'AUDIT_BUCKET',
  /** `on` where an environment serves many calls at once, `off` where it serves one (ADR 0016). */
  leases: 'LEASES',
  /** JSON: where spans go and how many, and the bucket of the trace store (lambdas/proxy/watch.ts). */
  observation: 'OBSERVATION',
  /** JSON: the log group of the proxy and the bucket of the trace store (lambdas/admin/request-place.ts). */
  requestPlace: 'REQUEST_PLACE',
  stage: 'STAGE',
} as const;

/** All tables: partition key `pk` (string). */
export const TABLE_KEY = 'pk';
/** The catalog's index of what is listed: partition and sort key. */
export const TABLE_LIST = { index: 'list', partition: 'list', sort: 'sort' } as const;
/** Sort key of the audit table, whose partitions are days, and of the rollups table; the others have none. */
export const TABLE_SORT = 'sk';
/**
 * When an item may go, epoch seconds: what is closed in the accounts table, where no account ever has it, what was
 * shipped of the audit table, and every window of the rollups table.
 */
export const TABLE_TTL = 'ttl';

/** EventBridge events on the alert bus. */
export const ALERT_SOURCE = 'tollgate';
export const ALERT_DETAIL_TYPE = {
  budget: 'Budget threshold crossed',
  softLimit: 'Soft limit crossed',
  booksDiffer: 'Books differ',
  /** core/alerts/event-schema.ts */
  incident: 'Incident',
} as const;

/** The Glue names that queries use. */
export const LAKE = {
  database: 'tollgate',
  usageTable: 'usage',
  rejectedTable: 'rejected',
  ledgerTable: 'ledger',
  reconciliationTable: 'reconciliation',
  auditTable: 'audit',
} as const;

/** Below the lake's bucket: what the statements function publishes. */
export const STATEMENTS_PREFIX = 'statements/';

/** CloudWatch metrics (EMF): name -> unit. Tenants, teams and keys are never dimensions. */
export const METRIC_NAMESPACE = 'Tollgate';
export const METRICS = {
  requests: { name: 'Requests', unit: 'Count' },
  denied: { name: 'Denied', unit: 'Count' },
  faults: { name: 'Faults', unit: 'Count' },
  usageSpilled: { name: 'UsageSpilled', unit: 'Count' },
  settleFailed: { name: 'SettleFailed', unit: 'Count' },
  /** Accounts that calls went on without, because they were out of reach. */
  limitsUnchecked: { name: 'LimitsUnchecked', unit: 'Count' },
  holdsPosted: { name: 'HoldsPosted', unit: 'Count' },
  unknownVersions: { name: 'UnknownVersions', unit: 'Count' },
  /** Accounts and requests in which the books do not agree, at the last comparison. */
  booksDiffer: { name: 'BooksDiffer', unit: 'Count' },
  /** Alerts for a channel that is not set up. */
  alertsUndeliverable: { name: 'AlertsUndeliverable', unit: 'Count' },
  poisonRecords: { name: 'PoisonRecords', unit: 'Count' },
  /** Events with figures that no call can have; they are counted as the largest that one can. */
  absurdUsage: { name: 'AbsurdUsage', unit: 'Count' },
  /** Copies of events that the monitor left out of its sums. */
  duplicateEvents: { name: 'DuplicateEvents', unit: 'Count' },
  /** Events of hours that the sums have forgotten, or of a clock far ahead. */
  eventsOutOfTime: { name: 'EventsOutOfTime', unit: 'Count' },
  /** Answers of 5xx whose cause is the provider: no fault of ours. */
  providerFailures: { name: 'ProviderFailures', unit: 'Count' },
  /** Records of calls that did not reach the trace store, and spans that did not reach their collectors. */
  tracesLost: { name: 'TracesLost', unit: 'Count' },
  spansLost: { name: 'SpansLost', unit: 'Count' },
} as const;

/**
 * Metrics of each call, made from its usage event (core/telemetry/call-metrics.ts). Names and units are those of
 * OpenTelemetry's GenAI conventions where they have one; `of` lists the sets of dimensions, each of which costs
 * as many metrics as it has values.
 */
export const CALL_DIMENSIONS = {
  service: 'service',
  /** The provider's id in the policy. */
  provider: 'gen_ai.provider.name',
  /** The alias that callers ask for. */
  model: 'gen_ai.request.model',
  operation: 'gen_ai.operation.name',
  dialect: 'tollgate.dialect',
  error: 'error.type',
  /** Of a limit. */
  dimension: 'tollgate.limit.dimension',
} as const;

const { service, provider, model, operation, dialect, error, dimension } = CALL_DIMENSIONS;
const OVERALL = [service];
const BROKEN_DOWN = [OVERALL, [provider], [model]];

export const CALL_METRICS = {
  duration: {
    name: 'gen_ai.server.request.duration',
    unit: 'Seconds',
    of: [...BROKEN_DOWN, [operation, dialect]],
  },
  failedDuration: {
    name: 'gen_ai.server.request.duration',
    unit: 'Seconds',
    of: [[provider, error]],
  },
  ttft: { name: 'gen_ai.server.time_to_first_token', unit: 'Seconds', of: BROKEN_DOWN },
  /** Inter-token latency: time for each token after the first. */
  perToken: { name: 'gen_ai.server.time_per_output_token', unit: 'Seconds', of: BROKEN_DOWN },
  inputTokens: {
    name: 'gen_ai.client.inference.usage.input_tokens',
    unit: 'Count',
    of: BROKEN_DOWN,
  },
  outputTokens: {
    name: 'gen_ai.client.inference.usage.output_tokens',
    unit: 'Count',
    of: BROKEN_DOWN,
  },
  /** US dollars. */
  cost: { name: 'tollgate.cost.usd', unit: 'None', of: BROKEN_DOWN },
  /** From the request's arrival to its dispatch: the gateway's own time, apart from the provider's. */
  overhead: { name: 'tollgate.overhead', unit: 'Milliseconds', of: [OVERALL] },
  fallbacks: { name: 'tollgate.fallbacks', unit: 'Count', of: [OVERALL] },
  denials: { name: 'tollgate.denials', unit: 'Count', of: [OVERALL, [dimension]] },
} as const;

/** Aliases with metrics of their own; the calls of all others are told under one name. */
export const MAX_METERED_MODELS = 50;

/** Largest request body accepted, bytes: the function's event is limited to 6 MB and JSON escapes grow it. */
export const MAX_BODY_BYTES = 4_500_000;
