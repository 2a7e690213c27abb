/** Finds what there is about one call: its usage event in the lake, its holds and postings in the accounts, its cancellation. */
import type { Cancellations } from '../../core/cancel.ts';
import type { Clock, EpochMs } from '../../core/clock.ts';
import { holdIdsOf, isRequestId } from '../../core/ids.ts';
import type { AccountStore } from '../../core/limits/account-store.ts';
import type { Accounts } from '../../core/limits/accounts.ts';
import { readPostedAccounts } from '../../core/limits/posted.ts';
import { LAKE } from '../../core/names.ts';
import {
  describeRequest,
  type Findings,
  type OpenHold,
  type Place,
} from '../../core/request-lookup.ts';
import { type Scope, scopeLabel } from '../../core/tenancy/scopes.ts';
import { type UsageEvent, usageEventColumns, usageEventSchema } from '../../core/usage/event.ts';
import type { Athena, AthenaRow } from '../adapters/athena.ts';

export interface RequestLookupPorts {
  readonly clock: Clock;
  readonly athena: Athena;
  readonly accounts: Pick<Accounts, 'read'>;
  readonly store: Pick<AccountStore, 'read'>;
  readonly cancellations: Pick<Cancellations, 'isMarked'>;
  readonly place: Place;
}

export interface RequestQuery {
  readonly id: string;
  /** Of the call in UTC, `YYYY-MM-DD`; absent: today or one of the two days before. */
  readonly day?: string | undefined;
  /** Finds what an event that is not in the lake yet would tell. */
  readonly keyId?: string | undefined;
}

export type RequestAnswer =
  | { readonly kind: 'found'; readonly body: ReturnType<typeof describeRequest> }
  | { readonly kind: 'refused'; readonly reason: string };

/** The admin API gives an answer 29 s. */
const QUERY_MS = 20_000;
const DAY_MS = 86_400_000;
const DAYS_BACK = 2;

export async function lookUpRequest(
  ports: RequestLookupPorts,
  { id, day, keyId }: RequestQuery,
): Promise<RequestAnswer> {
  if (!isRequestId(id)) return refused('A request id is `req_` and 22 letters and digits.');
  if (day !== undefined && !isDay(day)) return refused('`day` is a date such as 2026-11-21.');
  if (keyId !== undefined && !/^vk_[0-9a-z]{1,64}$/.test(keyId))
    return refused('`key` is the id of a key, such as vk_0123456789ab.');
  const nowMs = ports.clock.nowMs();
  const event = await findEvent(ports, { id, day, nowMs });
  const known = event?.virtual_key_id ?? keyId;
  const accounts =
    known === undefined ? undefined : await findInAccounts(ports, { id, keyId: known, event });
  const { place } = ports;
  return { kind: 'found', body: describeRequest({ requestId: id, nowMs, event, accounts, place }) };
}

function refused(reason: string): RequestAnswer {
  return { kind: 'refused', reason };
}

function isDay(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text));
}

/** Of several deliveries the one that knows most: an event of the reaper gives way to the call's own. */
async function findEvent(
  { athena }: RequestLookupPorts,
  { id, day, nowMs }: { id: string; day: string | undefined; nowMs: EpochMs },
): Promise<UsageEvent | undefined> {
  const fromMs = day === undefined ? nowMs - DAYS_BACK * DAY_MS : Date.parse(day);
  // A call may run over midnight, and its event is filed under the hour of its arrival.
  const toMs = day === undefined ? nowMs : fromMs + DAY_MS;
  const columns = usageEventColumns.map(({ name }) => `"${name}"`).join(', ');
  const sql = `SELECT ${columns} FROM ${LAKE.usageTable}
WHERE dt BETWEEN '${dayOf(fromMs)}' AND '${dayOf(toMs)}' AND request_id = '${id}'
ORDER BY CASE WHEN outcome = 'expired' THEN 1 ELSE 0 END, schema_version DESC LIMIT 1`;
  const [row] = await athena.run(sql, nowMs + QUERY_MS);
  return row === undefined ? undefined : eventOf(row);
}

function dayOf(ms: EpochMs): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Athena tells every value as text. */
function eventOf(row: AthenaRow): UsageEvent {
  const values = usageEventColumns.map(({ name, type }, i): [string, unknown] => {
    const text = row[i];
    if (text === undefined) return [name, null];
    if (type === 'bigint') return [name, Number(text)];
    return [name, type === 'boolean' ? text === 'true' : text];
  });
  return usageEventSchema.parse(Object.fromEntries(values));
}

async function findInAccounts(
  { accounts, store, cancellations }: RequestLookupPorts,
  { id, keyId, event }: { id: string; keyId: string; event: UsageEvent | undefined },
): Promise<Findings['accounts']> {
  const call = { keyId, requestId: id };
  const [holds, posted, isCancelled] = await Promise.all([
    Promise.all(scopesOf(keyId, event).map((scope) => holdsAt(accounts, scope, id))),
    readPostedAccounts(store, call),
    cancellations.isMarked(call),
  ]);
  return { holds: holds.flat(), posted, isCancelled };
}

/** Where the call may hold; the scopes of its user and its feature have no name here that is sure. */
function scopesOf(keyId: string, event: UsageEvent | undefined): Scope[] {
  const key: Scope = { kind: 'key', keyId };
  if (event === undefined) return [key];
  const { tenant_id: tenantId, team_id: teamId, project_id: projectId, pool } = event;
  return [
    key,
    { kind: 'project', tenantId, projectId },
    { kind: 'team', tenantId, teamId },
    { kind: 'tenant', tenantId },
    ...(pool === null ? [] : [{ kind: 'pool' as const, providerId: pool }]),
  ];
}

async function holdsAt(
  accounts: Pick<Accounts, 'read'>,
  scope: Scope,
  requestId: string,
): Promise<OpenHold[]> {
  const account = await accounts.read(scope);
  return holdIdsOf(requestId).flatMap((holdId) => {
    const hold = account?.holds.get(holdId);
    if (hold === undefined) return [];
    const { owner, nanoUsd, inputTokens, outputTokens, expiresAtSeconds } = hold;
    // Eight characters of an id may be another call's too; a lead says whose it is.
    if (owner.kind === 'lead' && owner.requestId !== requestId) return [];
    const isLead = owner.kind === 'lead';
    return [
      { scope: scopeLabel(scope), nanoUsd, inputTokens, outputTokens, expiresAtSeconds, isLead },
    ];
  });
}
