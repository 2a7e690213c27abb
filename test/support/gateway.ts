import { setTimeout as sleep } from 'node:timers/promises';
import type {
  KeyRecord,
  ModelAlias,
  PolicySnapshot,
  Provider,
} from '../../core/catalog/snapshot.ts';
import { systemClock, systemTimer } from '../../core/clock.ts';
import { newRequestId, randomText } from '../../core/ids.ts';
import type { AccountStore } from '../../core/limits/account-store.ts';
import { createAccounts } from '../../core/limits/accounts.ts';
import type { LimitPlan } from '../../core/limits/schedule.ts';
import type { CompiledPolicy } from '../../core/policy/compile-policy.ts';
import type { GatewayResponse } from '../../core/response.ts';
import { type Ports, serve } from '../../core/serve.ts';
import { teamKey } from '../../core/tenancy/scopes.ts';
import { hashKey, newVirtualKey } from '../../core/tenancy/virtual-key.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import { createHttpUpstream } from '../../lambdas/adapters/http-upstream.ts';
import { leasesNamed } from './leases.ts';
import { createMemoryStore, type MemoryStore } from './memory-store.ts';

const PRICE = { version: 'p1', input: 250_000, cachedInput: 25_000, output: 2_000_000 };
const CACHE_SECRET = 'a secret of the tests, of many letters';
export const TEAM = { kind: 'team', tenantId: 'acme', teamId: 'search' } as const;

export interface TestGateway {
  readonly key: string;
  readonly store: MemoryStore;
  readonly events: UsageEvent[];
  readonly reports: string[];
  readonly ports: Ports;
  /** Sends a request and waits for its body; books may still be open. */
  call(request: {
    method?: string;
    path?: string;
    body?: unknown;
    headers?: Record<string, string>;
    query?: Record<string, string>;
  }): Promise<Answer>;
  chat(body: Record<string, unknown>): Promise<Answer>;
  close(): void;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly json: () => {
    error?: {
      type: string;
      code: string | null;
      message: string;
      param: string | null;
      gateway: Record<string, unknown>;
    };
    [name: string]: unknown;
  };
  readonly closed: Promise<void>;
}

export interface TestGatewayOptions {
  readonly providerUrl: string;
  readonly limits?: { readonly key?: LimitPlan; readonly team?: LimitPlan };
  /** A policy of its own, with its accounts; the key is of the project `web` of the team `search`. */
  readonly compiled?: CompiledPolicy;
  readonly models?: readonly ModelAlias[];
  readonly store?: (memory: MemoryStore) => AccountStore;
  readonly clampOutput?: boolean;
  /** What the key has that is not usual. */
  readonly key?: Partial<KeyRecord>;
  /** The gateway serves many calls at once, and they share what they take. */
  readonly hasLeases?: boolean;
  readonly idleTimeoutMs?: number;
  readonly quietMs?: number;
  /** Of the provider behind all models. */
  readonly kind?: Provider['kind'];
  /** What the usage monitor has added up; nothing unless a test says so. */
  readonly rollups?: Ports['rollups'];
  /** By how much the gateway's own waiting is shortened. */
  readonly haste?: number;
}

/** A model whose name at the simulated provider says how it behaves. */
export function model(alias: string, ...upstream: string[]): ModelAlias {
  return {
    alias,
    tier: 'shared',
    routes: (upstream.length === 0 ? [alias] : upstream).map((name) => ({
      provider: 'sim',
      model: name,
      price: PRICE,
      free: false,
    })),
    contextTokens: 128_000,
    maxOutputTokens: 16_000,
    defaultMaxOutputTokens: 500,
  };
}

/** The whole request path over a real HTTP upstream, with the accounts and the usage stream in memory. */
export function createTestGateway({
  providerUrl,
  limits = {},
  compiled,
  models = [model('sim-small')],
  store: wrap = (memory) => memory,
  clampOutput,
  key: unusual,
  hasLeases = false,
  idleTimeoutMs = 5_000,
  quietMs = 15_000,
  kind = 'openai',
  haste = 1,
  rollups = { readCollection: async () => [] },
}: TestGatewayOptions): TestGateway {
  // A team without limits has no account to look into.
  const teamLimits = limits.team ?? { requestsPerMinute: 1_200 };
  const key = newVirtualKey();
  const record: KeyRecord = {
    keyId: 'vk_test',
    tenantId: 'acme',
    teamId: 'search',
    projectId: 'web',
    owner: 'ann',
    pinnedTags: { cost_center: 'cc-1' },
    features: ['answers'],
    limits: limits.key ?? {},
    createdAtMs: 0,
    ...unusual,
  };
  const policy: PolicySnapshot = compiled?.snapshot ?? {
    version: 7,
    timeZone: 'UTC',
    providers: {
      sim: {
        id: 'sim',
        kind,
        ...(kind === 'bedrock' ? { region: 'eu-west-1' } : {}),
        baseUrl: providerUrl,
        connectTimeoutMs: 1_000,
        firstByteTimeoutMs: 2_000,
        idleTimeoutMs,
      },
    },
    models: Object.fromEntries(
      [...models, { ...model('forbidden'), tier: 'premium' as const }].map((each) => [
        each.alias,
        each,
      ]),
    ),
    teams: {
      [teamKey('acme', 'search')]: {
        id: 'search',
        tenantId: 'acme',
        tiers: ['shared'],
        limits: teamLimits,
        ...(clampOutput === undefined ? {} : { clampOutput }),
        alertAtPercent: [80],
        owner: 'ann',
      },
    },
    projects: [{ id: 'web', tenantId: 'acme', teamId: 'search' }],
  };
  const store = createMemoryStore();
  store.setUp({ kind: 'key', keyId: record.keyId }, record.limits);
  if (compiled === undefined) store.setUp(TEAM, teamLimits);
  for (const { scope, limits: each } of compiled?.accounts ?? []) store.setUp(scope, each);
  const events: UsageEvent[] = [];
  const reports: string[] = [];
  const marks = new Set<string>();
  const upstream = createHttpUpstream({ clock: systemClock, quietMs });
  const ports: Ports = {
    clock: systemClock,
    directory: {
      findKey: async (hash) => (hash === hashKey(key) ? record : undefined),
      policy: async () => policy,
    },
    accounts: createAccounts({
      store: wrap(store),
      clock: systemClock,
      ...(hasLeases
        ? { newLeases: leasesNamed(randomText), pause: (ms: number) => sleep(ms) }
        : {}),
    }),
    providerKeys: { get: async () => undefined, cacheSecret: async () => CACHE_SECRET },
    timer: { after: (ms, signal) => systemTimer.after(ms / haste, signal) },
    cancellations: {
      mark: async (call) => void marks.add(JSON.stringify(call)),
      isMarked: async (call) => marks.has(JSON.stringify(call)),
    },
    rollups,
    upstream,
    usage: { put: async (event) => void events.push(event) },
    report: (what, fault) => void reports.push(`${what}: ${String(fault)}`),
  };
  const call: TestGateway['call'] = async ({
    method = 'GET',
    path = '/v1/models',
    body,
    headers = {},
    query = {},
  }) => {
    const nowMs = Date.now();
    const bytes =
      body instanceof Uint8Array
        ? body
        : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body ?? ''));
    const response = await serve(ports, {
      method,
      path,
      headers: { authorization: `Bearer ${key}`, ...headers },
      query,
      body: bytes,
      requestId: newRequestId(),
      receivedAtMs: nowMs,
      deadlineMs: nowMs + 60_000,
    });
    return toAnswer(response);
  };
  return {
    key,
    store,
    events,
    reports,
    ports,
    call,
    chat: (body) =>
      call({
        method: 'POST',
        path: '/v1/chat/completions',
        body: { model: 'sim-small', messages: [{ role: 'user', content: 'Hello there' }], ...body },
      }),
    close: upstream.close,
  };
}

async function toAnswer({ status, headers, body, closed }: GatewayResponse): Promise<Answer> {
  const parts: Uint8Array[] = [];
  if (typeof body === 'string' || Buffer.isBuffer(body)) parts.push(Buffer.from(body));
  else for await (const chunk of body) parts.push(chunk);
  const text = Buffer.concat(parts).toString('utf8');
  return { status, headers, text, json: () => JSON.parse(text), closed };
}
