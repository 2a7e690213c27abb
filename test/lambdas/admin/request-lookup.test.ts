import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { newRequestId } from '../../../core/ids.ts';
import { createAccounts, type Reservation } from '../../../core/limits/accounts.ts';
import { reapAccount } from '../../../core/limits/reaper.ts';
import { accountKey } from '../../../core/tenancy/scopes.ts';
import { lookUpRequest, type RequestQuery } from '../../../lambdas/admin/request-lookup.ts';
import { createLedgerLake, USAGE_EVENT } from '../../support/ledger-lake.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const NOON_MS = Date.parse('2026-11-20T12:00:00Z');
const KEY_ID = 'vk_0123456789ab';
const KEY = { kind: 'key', keyId: KEY_ID } as const;
const TEAM = { kind: 'team', tenantId: 'acme', teamId: 'search' } as const;
const TRACE = '0af7651916cd43dd8448eb211c80319c';

const lake = createLedgerLake(NOON_MS);
afterAll(() => lake.close());

let nowMs: number;
let store: ReturnType<typeof createMemoryStore>;
let accounts: ReturnType<typeof createAccounts>;
const clock = { nowMs: () => nowMs };
const limits = { requestsPerMinute: 100 };

beforeEach(() => {
  nowMs = NOON_MS;
  store = createMemoryStore();
  accounts = createAccounts({ store, clock });
  store.setUp(KEY, {});
  store.setUp(TEAM, limits);
});

async function reserve(requestId: string): Promise<Reservation> {
  const reservation = await accounts.reserve({
    requestId,
    alias: 'small',
    demand: { nanoUsd: 500, inputTokens: 40, outputTokens: 60 },
    scopes: [
      { scope: KEY, limits: {} },
      { scope: TEAM, limits, policyVersion: 1 },
    ],
    timeZone: 'UTC',
    holdSeconds: 900,
  });
  if (reservation.kind !== 'reserved') throw new Error(reservation.kind);
  return reservation;
}

const eventOf = (requestId: string) => ({
  ...USAGE_EVENT,
  request_id: requestId,
  virtual_key_id: KEY_ID,
  trace_id: TRACE,
});

async function lookUp(id: string, query: Omit<RequestQuery, 'id'> = {}, marked = false) {
  const answer = await lookUpRequest(
    {
      clock,
      athena: { run: (sql) => lake.ask(sql) },
      accounts,
      store,
      cancellations: { isMarked: async () => marked },
      place: { region: 'eu-west-1', logGroup: '/proxy', traceBucket: 'traces' },
    },
    { id, ...query },
  );
  if (answer.kind !== 'found') throw new Error(answer.reason);
  return answer.body;
}

describe('looking a request up', () => {
  it('finds a call that runs by its key, before anything is told of it', async () => {
    const id = newRequestId();
    await reserve(id);
    nowMs += 10_000;
    const found = await lookUp(id, { keyId: KEY_ID }, true);
    expect(found).toMatchObject({
      state: 'running',
      event: null,
      cancelled: true,
      holds: [{ scope: `key:${KEY_ID}`, nano_usd: 500, input_tokens: 40, expires_in_seconds: 890 }],
      posted: [],
      trace: null,
      record: null,
    });
    expect(found.logs).toMatchObject({ log_group: '/proxy', from: null });
    expect(found.logs.query).toContain(`filter requestId = "${id}"`);
  });

  it('finds what became of a call, its logs, its trace and its record', async () => {
    const id = newRequestId();
    const reservation = await reserve(id);
    await accounts.settle(reservation, { nanoUsd: 100, inputTokens: 10, outputTokens: 10 });
    lake.arrive([{ ...eventOf(id), outcome: 'expired', cost_nano_usd: 7 }, eventOf(id)]);
    const found = await lookUp(id);
    expect(found).toMatchObject({
      state: 'closed',
      holds: [],
      posted: [],
      cancelled: false,
      logs: { from: '2026-11-20T11:00:00.000Z', to: '2026-11-20T13:00:00.050Z' },
      trace: {
        trace_id: TRACE,
        xray: expect.stringContaining('eu-west-1#xray:traces/1-0af76519-16cd43dd8448eb211c80319c'),
      },
      record: [`s3://traces/hot/acme/${id}.json`, `s3://traces/cold/acme/${id}.json`],
    });
    expect(found.event).toEqual(eventOf(id));
  });

  it('says that a call whose event is there still holds something', async () => {
    const id = newRequestId();
    await reserve(id);
    lake.arrive([eventOf(id)]);
    const found = await lookUp(id, { day: '2026-11-20' });
    expect(found.state).toBe('not settled');
    expect(found.holds?.map(({ scope }) => scope)).toEqual([`key:${KEY_ID}`, 'team:search']);
  });

  it('follows a call whose process died, from its expiry to its charge', async () => {
    const id = newRequestId();
    await reserve(id);
    nowMs += 901_000;
    expect((await lookUp(id, { keyId: KEY_ID })).state).toBe('abandoned');
    nowMs += 60_000;
    const ports = { store, clock, pause: async () => {}, bookExpired: async () => {} };
    for (const scope of [KEY, TEAM]) await reapAccount(ports, accountKey(scope));
    const found = await lookUp(id, { keyId: KEY_ID });
    expect(found.state).toBe('charged at the hold');
    expect(found.posted).toContainEqual({ account: accountKey(KEY), corrected: false });
  });

  it('looks for a day that is over only when it is told', async () => {
    const id = newRequestId();
    lake.arrive([eventOf(id)]);
    nowMs += 10 * 86_400_000;
    expect(await lookUp(id)).toMatchObject({ state: 'unknown', event: null, holds: null });
    expect((await lookUp(id, { day: '2026-11-20' })).state).toBe('closed');
  });

  it.each([
    [{ id: "req_' OR 1=1" }, 'A request id is'],
    [{ id: newRequestId(), day: "2026-11-20' OR" }, '`day` is a date'],
    [{ id: newRequestId(), day: '2026-13-40' }, '`day` is a date'],
    [{ id: newRequestId(), keyId: 'vk_a/b' }, '`key` is the id'],
  ])('refuses %j', async ({ id, ...query }, reason) => {
    await expect(lookUp(id, query)).rejects.toThrow(reason);
  });
});
