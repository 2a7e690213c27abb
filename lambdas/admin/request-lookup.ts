/** Finds what there is about one call: its usage event in the lake, its holds and postings in the accounts, its cancellation. */
import type { Cancellations } from '../../core/cancel.ts';
import type { KeyRecord, PolicySnapshot } from '../../core/catalog/snapshot.ts';
import type { Clock, EpochMs } from '../../core/clock.ts';
import { holdIdsOf, isRequestId } from '../../core/ids.ts';
import { type Hold, parseAccount } from '../../core/limits/account.ts';
import { type AccountStore, readShards } from '../../core/limits/account-store.ts';
import { readPostedAccounts } from '../../core/limits/posted.ts';
import { LAKE } from '../../core/names.ts';
import {
  type CallOwner,
  describeRequest,
  type FoundHold,
  type FoundLease,
  type KnownCall,
  leadOf,
  type Place,
  type RequestReport,
  scopesToSearch,
} from '../../core/request-lookup.ts';
import { modelOf } from '../../core/routing/select-routes.ts';
import { accountKey, type Scope } from '../../core/tenancy/scopes.ts';
import { type UsageEvent, usageEventColumns, usageEventSchema } from '../../core/usage/event.ts';
import type { Athena, AthenaRow } from '../adapters/athena.ts';
import type { KeyStore } from './key-store.ts';

export interface RequestLookupPorts {
  readonly clock: Clock;
  readonly athena: Athena;
  readonly accountStore: Pick<AccountStore, 'read'>;
  readonly keys: Pick<KeyStore, 'find'>;
  readonly currentPolicy: () => Promise<PolicySnapshot | undefined>;
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

/** The admin API gives an answer 29 s. */
const QUERY_MS = 20_000;
const DAY_MS = 86_400_000;
const DAYS_BACK = 2;

/** Undefined where nothing tells of such a call. Whose it is, is for the caller to judge. */
export async function lookUpRequest(
  ports: RequestLookupPorts,
  { id, day, keyId }: RequestQuery,
): Promise<RequestReport | undefined> {
  const { clock, keys, place } = ports;
  const nowMs = clock.nowMs();
  const [event, stored] = await Promise.all([
    findEvent(ports, { id, day, nowMs }),
    keyId === undefined ? undefined : keys.find(keyId),
  ]);
  const owner = ownerOf(event, stored?.record);
  if (owner === undefined) return undefined;
  // An event is surer than what somebody says: then the key named may be another one.
  const key = event === undefined ? stored?.record : undefined;
  const found = await findInAccounts(ports, id, { owner, event, key });
  return describeRequest({ requestId: id, nowMs, owner, event, place, ...found });
}

function ownerOf(event: UsageEvent | undefined, key: KeyRecord | undefined): CallOwner | undefined {
  if (event === undefined) return key;
  const { tenant_id: tenantId, team_id: teamId, project_id: projectId } = event;
  return { tenantId, teamId, projectId, keyId: event.virtual_key_id };
}

/** Of several deliveries the one that knows most: an event of the reaper gives way to the call's own. */
async function findEvent(
  { athena }: RequestLookupPorts,
  { id, day, nowMs }: { id: string; day: string | undefined; nowMs: EpochMs },
): Promise<UsageEvent | undefined> {
  // Nothing else ever stands in the question.
  if (!isRequestId(id)) return undefined;
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

/** The lead first: it knows the model, and which leases the call has a part of. */
async function findInAccounts(
  { accountStore, cancellations, currentPolicy }: RequestLookupPorts,
  requestId: string,
  call: Omit<KnownCall, 'model'>,
) {
  const { keyId } = call.owner;
  const search = { requestId, leadAccount: accountKey({ kind: 'key', keyId }) };
  const [own, posted, isCancelled, policy] = await Promise.all([
    holdsAt(accountStore, { kind: 'key', keyId }, search),
    readPostedAccounts(accountStore, { keyId, requestId }),
    cancellations.isMarked({ keyId, requestId }),
    currentPolicy(),
  ]);
  const lead = leadOf(own)?.owner;
  const alias = call.event?.model_alias ?? lead?.alias;
  const model = policy && alias !== undefined ? modelOf(policy, alias) : undefined;
  const [, ...others] = scopesToSearch({ ...call, model });
  const [siblings, leases] = await Promise.all([
    Promise.all(others.map((scope) => holdsAt(accountStore, scope, search))),
    Promise.all(
      (lead?.leases ?? []).map(async ({ account, lease }): Promise<FoundLease> => {
        const item = await accountStore.read(account);
        const hold = item === undefined ? undefined : parseAccount(item).holds.get(lease);
        return { account, lease, hold };
      }),
    ),
  ]);
  return { holds: [...own, ...siblings.flat()], leases, posted, isCancelled };
}

interface Search {
  readonly requestId: string;
  readonly leadAccount: string;
}

async function holdsAt(
  store: Pick<AccountStore, 'read'>,
  scope: Scope,
  search: Search,
): Promise<FoundHold[]> {
  const shards = await readShards(store, accountKey(scope), 1);
  return shards.flatMap(({ key: account, account: { holds } }) =>
    holdIdsOf(search.requestId).flatMap((id) => {
      const hold = holds.get(id);
      return hold !== undefined && isOf(hold, search) ? [{ scope, account, id, hold }] : [];
    }),
  );
}

/** Eight characters of an id may be another call's too, or a lease's name. */
function isOf({ owner }: Hold, { requestId, leadAccount }: Search): boolean {
  switch (owner.kind) {
    case 'lead':
      return owner.requestId === requestId;
    case 'sibling':
      return owner.leadAccount === leadAccount;
    case 'lease':
      return false;
  }
}
