/**
 * The audit log: one record for each change of what is governed. Says what a record is and keeps secrets out of it;
 * where records are kept, and that none is lost between a change and the log, is the adapter's.
 */
import * as z from 'zod/mini';
import type { EpochMs } from '../clock.ts';
import { type RandomText, randomText } from '../ids.ts';
import { type Principal, ROLES, type Target } from './principal.ts';

/** Names and order of the log's columns. Everything is text, so that a line is read alike by everything. */
export const AUDIT_COLUMNS = [
  'id',
  'changed_at',
  'principal_id',
  'principal_name',
  'role',
  'source_ip',
  'via',
  'operation',
  'object',
  'tenant_id',
  'team_id',
  'before',
  'after',
  'reason',
  'policy_version',
  'request_id',
] as const;

const text = z.nullable(z.string());

export const auditRecordSchema = z.object({
  id: z.string(),
  /** ISO 8601 in UTC, with milliseconds: as text it sorts as time does. */
  changed_at: z.string(),
  principal_id: z.string(),
  principal_name: z.string(),
  role: z.enum(ROLES),
  /** From where. */
  source_ip: z.string(),
  /** Which of the ways in: `api`, `file`, or whatever the command line calls itself. */
  via: z.string(),
  /** The operation's id in the API's document. */
  operation: z.string(),
  /** Path of what changed, such as `tenants/acme/teams/search`. */
  object: z.string(),
  /** Whose it is; null where it is the whole deployment's. */
  tenant_id: text,
  team_id: text,
  /** JSON, without secrets; null where there was nothing. */
  before: text,
  after: text,
  /** Why, as the caller said. */
  reason: text,
  policy_version: text,
  request_id: z.string(),
} satisfies Record<(typeof AUDIT_COLUMNS)[number], z.ZodMiniType>);
export type AuditRecord = Readonly<z.infer<typeof auditRecordSchema>>;

/** Who asked for what, as every operation knows it. */
export interface AuditSource {
  readonly principal: Principal;
  readonly sourceIp: string;
  readonly requestId: string;
  readonly reason: string | undefined;
}

export interface AuditedChange {
  readonly operation: string;
  readonly object: string;
  readonly target: Target;
  readonly before?: unknown;
  readonly after?: unknown;
  readonly via?: string;
  readonly policyVersion?: number;
}

export function auditRecord(
  { principal, sourceIp, requestId, reason }: AuditSource,
  change: AuditedChange,
  { atMs, random = randomText }: { atMs: EpochMs; random?: RandomText },
): AuditRecord {
  const { operation, object, target, before, after, via = 'api', policyVersion } = change;
  return {
    id: `aud_${random(16)}`,
    changed_at: new Date(atMs).toISOString(),
    principal_id: principal.id,
    principal_name: principal.name,
    role: principal.role,
    source_ip: sourceIp,
    via,
    operation,
    object: withoutSecrets(object),
    tenant_id: target.tenantId ?? null,
    team_id: target.teamId ?? null,
    before: jsonOf(before),
    after: jsonOf(after),
    reason: reason === undefined ? null : withoutSecrets(reason),
    policy_version: policyVersion === undefined ? null : String(policyVersion),
    request_id: requestId,
  };
}

/** The same value without anything that opens something or that names what does. */
function redacted(value: unknown): unknown {
  if (typeof value === 'string') return withoutSecrets(value);
  if (Array.isArray(value)) return value.map(redacted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      withoutSecrets(name),
      isSecret(name, inner) ? REDACTED : redacted(inner),
    ]),
  );
}

const REDACTED = '[redacted]';
/** Names of fields whose texts are secrets, or hashes of some, whatever they look like. */
const SECRET_NAME =
  /secret|hash|password|passwd|token$|credential|private|authorization|api_?key|^key$/i;
/** Keys of ours and of vendors, hashes of keys, tokens of sign-on, and keys in PEM. */
const SECRET_TEXT =
  /tga?_[0-9A-Za-z]{8,}|sk-[\w-]{8,}|\b(AKIA|ASIA)[A-Z0-9]{12,}|\beyJ[\w-]+\.[\w-]+\.[\w-]*|\b[0-9a-f]{40,}\b|-----BEGIN[^-]*KEY-----[\s\S]*?(-----END[^-]*-----|$)|Bearer\s+\S+/gi;

/** A provider's `secret` is the name of one, which is safe to read. */
function isSecret(name: string, value: unknown): boolean {
  if (value === undefined || value === null || !SECRET_NAME.test(name)) return false;
  return !(name === 'secret' && typeof value === 'string' && PLAIN_NAME.test(value));
}

const PLAIN_NAME = /^[a-z][a-z0-9-]{0,31}$/;

function withoutSecrets(value: string): string {
  return value.replace(SECRET_TEXT, REDACTED);
}

/** A record is one item of a table, which has a bound; the rest is in the policy's versions. */
const MAX_JSON = 60_000;

function jsonOf(value: unknown): string | null {
  if (value === undefined) return null;
  const json = JSON.stringify(redacted(value));
  return json.length <= MAX_JSON ? json : `${json.slice(0, MAX_JSON)}...`;
}

/** Key of the record's object: partitioned by day, so that a question about a week reads a week. */
export function auditObjectKey({
  changed_at: at,
  id,
}: Pick<AuditRecord, 'changed_at' | 'id'>): string {
  return `${AUDIT_PREFIX}dt=${at.slice(0, 10)}/${at.slice(11).replace(/[:.]/g, '')}-${id}.json`;
}

export const AUDIT_PREFIX = 'audit/';

export interface AuditQuestion {
  readonly object?: string | undefined;
  readonly principal?: string | undefined;
  readonly tenantId?: string | undefined;
}

/** An object is asked for with all that is below it. */
export function matchesQuestion(record: AuditRecord, question: AuditQuestion): boolean {
  const { object, principal, tenantId } = question;
  return (
    (object === undefined || record.object === object || record.object.startsWith(`${object}/`)) &&
    (principal === undefined || record.principal_id === principal) &&
    (tenantId === undefined || record.tenant_id === tenantId)
  );
}
