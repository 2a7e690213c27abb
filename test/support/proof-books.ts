/** Accounts in memory beside a lake and a ledger: calls that leave both as the gateway does, and the reconciler over them. */
import { newRequestId } from '../../core/ids.ts';
import { createAccounts, type Reservation } from '../../core/limits/accounts.ts';
import { reapAccount } from '../../core/limits/reaper.ts';
import type { LimitPlan } from '../../core/limits/schedule.ts';
import type { Sums } from '../../core/reconcile/snapshot.ts';
import { accountKey, type Scope } from '../../core/tenancy/scopes.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import { type ReconcilerResult, reconcile } from '../../lambdas/reconciler/reconcile.ts';
import { createLedgerLake, EXPIRED_EVENT, USAGE_EVENT } from './ledger-lake.ts';
import { createMemoryStore } from './memory-store.ts';

const MINUTE_MS = 60_000;
const MONTHLY: LimitPlan = { nanoUsdPerMonth: 1_000_000_000 };
const HOLD: Sums = { nanoUsd: 5_000, inputTokens: 400, outputTokens: 100 };
const USED: Sums = { nanoUsd: 1_000, inputTokens: 107, outputTokens: 10 };

/** What becomes of a call; `settled` is all that a healthy one is. */
type Fate = 'settled' | 'open' | 'no event' | 'not settled';

export interface CallSpec {
  readonly keyId?: string;
  readonly teamId?: string;
  readonly fate?: Fate;
  readonly used?: Sums;
  /** Accounts besides the key's. */
  readonly scopes?: readonly Scope[];
}

export type ProofBooks = Awaited<ReturnType<typeof createProofBooks>>;

/** `plan`: of teams and tenants. */
export async function createProofBooks(startMs: number, plan = MONTHLY) {
  const lake = createLedgerLake(startMs);
  const clock = { nowMs: () => lake.nowMs };
  const store = createMemoryStore();
  const accounts = createAccounts({ store, clock });
  const files = new Map<string, string>();
  const alerts: Readonly<Record<string, unknown>>[] = [];
  const reports: string[] = [];
  const pause = async () => {};
  const setUp = (scope: Scope) => {
    if (!store.items.has(accountKey(scope))) store.setUp(scope, scope.kind === 'key' ? {} : plan);
  };

  async function reserve(requestId: string, scopes: readonly Scope[]): Promise<Reservation> {
    for (const scope of scopes) setUp(scope);
    const reserved = await accounts.reserve({
      requestId,
      alias: 'small',
      demand: HOLD,
      scopes: scopes.map((scope) => ({ scope, limits: scope.kind === 'key' ? {} : plan })),
      timeZone: 'UTC',
      holdSeconds: 900,
    });
    if (reserved.kind !== 'reserved') throw new Error(`not reserved: ${reserved.kind}`);
    return reserved;
  }

  return {
    lake,
    store,
    accounts,
    alerts,
    reports,
    files,
    HOLD,
    USED,
    /** A call that starts now and closes now; its event is in the lake when it has one. */
    async call({
      keyId = 'vk_1',
      teamId = 'search',
      fate = 'settled',
      used = USED,
      scopes,
    }: CallSpec = {}) {
      const requestId = newRequestId();
      const all = scopes ?? [
        { kind: 'team', tenantId: 'acme', teamId },
        { kind: 'tenant', tenantId: 'acme' },
      ];
      const reserved = await reserve(requestId, [{ kind: 'key', keyId }, ...all]);
      const event: UsageEvent = {
        ...USAGE_EVENT,
        request_id: requestId,
        event_time_ms: lake.nowMs,
        duration_ms: 0,
        virtual_key_id: keyId,
        team_id: teamId,
        period: new Date(lake.nowMs).toISOString().slice(0, 7),
        input_tokens: used.inputTokens - 7,
        output_tokens: used.outputTokens,
        cost_nano_usd: used.nanoUsd,
      };
      if (fate === 'settled' || fate === 'not settled') lake.arrive([event]);
      const settle = () => accounts.settle(reserved, used);
      if (fate === 'settled' || fate === 'no event') await settle();
      return { requestId, event, settle };
    },
    /** What the reaper does, with the event of each call that it posts. */
    async reap() {
      const bookExpired = async (key: string, { hold }: { hold: { owner: object } }) => {
        const owner = 'requestId' in hold.owner ? String(hold.owner.requestId) : '';
        lake.arrive([
          {
            ...EXPIRED_EVENT,
            request_id: owner,
            virtual_key_id: key.replace('key/', ''),
            event_time_ms: lake.nowMs,
            cost_nano_usd: HOLD.nanoUsd,
            input_tokens: HOLD.inputTokens,
            output_tokens: HOLD.outputTokens,
          },
        ]);
      };
      const ports = { store, clock, pause, bookExpired };
      const keys = [...store.items.keys()].filter((key) => /^(key|team|tenant)\//.test(key));
      for (const key of [...keys.filter((key) => !key.startsWith('key/')), ...keys])
        await reapAccount(ports, key);
    },
    minutes(count: number) {
      lake.nowMs += count * MINUTE_MS;
    },
    /** The ledger is written, and the reconciler runs. */
    async check(reach: 'hourly' | 'nightly' = 'hourly'): Promise<ReconcilerResult> {
      await lake.write(reach === 'nightly' ? 'wide' : 'recent');
      return reconcile(
        {
          athena: { run: (sql) => lake.ask(sql) },
          scan: {
            async *startingWith(prefixes) {
              for (const [key, item] of store.items)
                if (prefixes.some((prefix) => key.startsWith(prefix))) yield { key, item };
            },
          },
          store,
          files: {
            read: async (key) => files.get(key),
            write: async (key, text) => void files.set(key, text),
          },
          alerts: { tell: async (_type, detail) => void alerts.push(detail) },
          clock,
          pause,
          report: (incident, fault) => void reports.push(`${incident}: ${String(fault)}`),
          timeZone: async () => 'UTC',
          location: 's3://lake/reconciliation/results/',
        },
        { reach, minAgeMs: 45 * MINUTE_MS, deadlineMs: Number.POSITIVE_INFINITY },
      );
    },
    /** Snapshot now, and the comparison of it an hour later. */
    async proveNow() {
      await this.check();
      this.minutes(60);
      return this.check();
    },
    results: () =>
      lake.ask(`SELECT check_kind, scope, verdict, difference_nano_usd, explanation, request_ids
        FROM reconciliation ORDER BY checked_at_ms, check_kind, scope`),
    close: () => lake.close(),
  };
}
