/**
 * CPU that the core's decisions on one request take: routes and scopes, the bound, the plans of four reserves, what a
 * refused one means, the headers, the plans of four settlements. Reading items is a row of its own. Prints microseconds
 * of each, the median of rounds; ends with 1 when the decisions take more than 50 together.
 */
import { type Account, type HoldOwner, parseAccount } from '../core/limits/account.ts';
import { planCreate } from '../core/limits/account-setup.ts';
import { applyWrite, type StoredItem } from '../core/limits/account-write.ts';
import type { Reservation, ScopeLimits } from '../core/limits/accounts.ts';
import { boundOf } from '../core/limits/bound.ts';
import { calendarDay } from '../core/limits/periods.ts';
import { openAiRateHeaders } from '../core/limits/rate-headers.ts';
import {
  type Demand,
  judgeReserve,
  momentOf,
  planReserve,
  type ReserveRequest,
} from '../core/limits/reserve.ts';
import { planSettle } from '../core/limits/settle.ts';
import { compilePolicy } from '../core/policy/compile-policy.ts';
import { parsePolicy } from '../core/policy/parse-policy.ts';
import { selectRoutes } from '../core/routing/select-routes.ts';
import { accountKey, teamKey } from '../core/tenancy/scopes.ts';
import { scopesOf } from '../core/tenancy/scopes-of.ts';
import { summarize } from './statistics.ts';

const MOST_MICROSECONDS = 50;
const ROUNDS = 15;
const WARM_UP_ROUNDS = 4;
const CALLS = 2_000;
/** Calls that are open in every account. */
const OPEN_CALLS = 8;
const NOW_MS = Date.UTC(2026, 10, 20, 12, 0, 0, 500);
const LIMITS =
  '{ requests_per_second: 300, tokens_per_minute: 50M, concurrent_requests: 1K, daily_budget: "$1,000", monthly_quota: 10000M, monthly_budget: "$50,000" }';
const POLICY = `time_zone: Europe/Berlin
providers:
  openai: { kind: openai, base_url: "https://api.example.com", limits: { requests_per_minute: 15K, tokens_per_minute: 40M } }
models:
  chat:
    tier: shared
    context_tokens: 128K
    max_output_tokens: 16K
    default_max_output_tokens: 400
    routes: [{ provider: openai, model: gpt-x, price: { input: $0.25, output: $2.00 } }]
tenants:
  acme:
    limits: ${LIMITS}
    teams:
      search: { owner: search@example.com, limits: ${LIMITS} }
    projects:
      web: { team: search }
`;

function main(): void {
  const steps = stepsOf();
  for (const { run } of steps) for (let round = 0; round < WARM_UP_ROUNDS; round += 1) time(run);
  const rows = steps.map(({ name, isDecision, run }) => {
    const rounds = Array.from({ length: ROUNDS }, () => time(run));
    return { name, isDecision, microseconds: summarize(rounds)?.median ?? Number.NaN };
  });
  const total = rows
    .filter(({ isDecision }) => isDecision)
    .reduce((sum, { microseconds }) => sum + microseconds, 0);
  for (const { name, microseconds } of rows) print(name, microseconds);
  print('decisions together', total);
  if (!(total <= MOST_MICROSECONDS)) process.exitCode = 1;
}

interface Step {
  readonly name: string;
  readonly isDecision: boolean;
  readonly run: () => unknown;
}

function stepsOf(): Step[] {
  const caller = callerOf();
  const tags = { user_id: null, feature: null };
  const scopes = () => scopesOf({ ...caller, tags, ...selectRoutes(caller, 'chat', NOW_MS) });
  const { routes } = selectRoutes(caller, 'chat', NOW_MS);
  const size = {
    bodyBytes: 4_000,
    tokensBesideText: 0,
    cacheWrites: '5m',
    maxOutputTokens: 400,
    choices: 1,
  } as const;
  const demand = boundOf(size, routes);
  const actual: Demand = { nanoUsd: 400_000, inputTokens: 900, outputTokens: 120 };
  const open = scopes().map((scoped) => openAccount(scoped, demand));
  const reservation = reservationOf(open, demand);
  const now = momentOf(NOW_MS + 4_000, calendarDay(NOW_MS, 'Europe/Berlin'));
  return [
    { name: 'routes, scopes and accounts', isDecision: true, run: () => scopes().map(keyOf) },
    { name: 'bound', isDecision: true, run: () => boundOf(size, routes) },
    {
      name: 'plans of the reserves',
      isDecision: true,
      run: () => open.map(({ request, scoped }) => planReserve(request, scoped.limits)),
    },
    {
      name: 'verdicts on refused reserves',
      isDecision: true,
      run: () => open.map(({ request, account }) => judgeReserve(account, request)),
    },
    { name: 'rate headers', isDecision: true, run: () => openAiRateHeaders(reservation) },
    {
      name: 'plans of the settlements',
      isDecision: true,
      run: () => reservation.grants.map(({ grant }) => planSettle(grant, actual, now)),
    },
    {
      name: 'reading four items (parse, not counted)',
      isDecision: false,
      run: () => open.map(({ item }) => parseAccount(item)),
    },
  ];
}

function callerOf() {
  const parsed = parsePolicy(POLICY, 'bench/decisions.ts');
  if (parsed.kind !== 'ok') throw new Error('the policy of the benchmark is broken');
  const { snapshot: policy } = compilePolicy(parsed.policy, 1, NOW_MS);
  const team = policy.teams[teamKey('acme', 'search')];
  if (team === undefined) throw new Error('the policy of the benchmark has no team');
  const key = {
    keyId: 'vk_0123456789ab',
    tenantId: 'acme',
    teamId: 'search',
    projectId: 'web',
    owner: 'ann',
    pinnedTags: {},
    features: [],
    limits: { requestsPerMinute: 600, nanoUsdPerMonth: 5_000_000_000_000 },
    createdAtMs: 0,
  };
  return { policy, team, key };
}

interface OpenAccount {
  readonly scoped: ScopeLimits;
  readonly item: StoredItem;
  readonly account: Account;
  /** A call that is not among the open ones. */
  readonly request: ReserveRequest;
}

/** An account in which calls are open. */
function openAccount(scoped: ScopeLimits, demand: Demand): OpenAccount {
  const isLead = scoped.scope.kind === 'key';
  let item = applyWrite(undefined, planCreate({ limits: scoped.limits, policyVersion: 1 }));
  for (let index = 0; index < OPEN_CALLS; index += 1)
    item = applyWrite(item, planReserve(requestOf(index, demand, isLead), scoped.limits));
  if (item === undefined) throw new Error('the limits of the benchmark are too small');
  const request = requestOf(OPEN_CALLS, demand, isLead);
  return { scoped, item, account: parseAccount(item), request };
}

function requestOf(index: number, demand: Demand, isLead: boolean): ReserveRequest {
  const lead: HoldOwner = {
    kind: 'lead',
    requestId: `req_${index}bbbbbbbbbbbbbbbb`,
    alias: 'chat',
  };
  return {
    holdId: `abcdefg${index}`,
    demand,
    at: momentOf(NOW_MS, calendarDay(NOW_MS, 'Europe/Berlin')),
    expiresAtSeconds: Math.ceil(NOW_MS / 1_000) + 900,
    owner: isLead ? lead : { kind: 'sibling', leadAccount: 'key/vk_0123456789ab' },
  };
}

function reservationOf(open: readonly OpenAccount[], demand: Demand): Reservation {
  const grants = open.map(({ scoped: { scope, limits: plan }, account, request }) => ({
    scope,
    plan,
    key: accountKey(scope),
    grant: { request, plan, account },
    strays: { keys: [], setup: undefined },
  }));
  return { kind: 'reserved', holdId: 'abcdefg8', demand, month: 202611, grants, crossings: [] };
}

function keyOf({ scope }: ScopeLimits): string {
  return accountKey(scope);
}

/** Microseconds of CPU a call. */
function time(run: () => unknown): number {
  const before = process.cpuUsage();
  for (let call = 0; call < CALLS; call += 1) run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / CALLS;
}

function print(name: string, microseconds: number): void {
  console.log(`${microseconds.toFixed(1).padStart(8)} µs  ${name}`);
}

main();
