/** One environment of the gateway: the real request path, its ports led through a process that can die. */
import type { KeyRecord, PolicySnapshot } from '../../core/catalog/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import { holdIdOf } from '../../core/ids.ts';
import type { AccountStore } from '../../core/limits/account-store.ts';
import { type Accounts, createAccounts, type ReserveCall } from '../../core/limits/accounts.ts';
import type { Moment } from '../../core/limits/denial.ts';
import type { Pause } from '../../core/limits/patient-store.ts';
import type { LimitPlan } from '../../core/limits/schedule.ts';
import type { UpstreamPort } from '../../core/providers/upstream.ts';
import type { Ports, UsageSink } from '../../core/serve.ts';
import type { Directory } from '../../core/tenancy/authenticate.ts';
import { leasesNamed } from '../support/leases.ts';
import { beginAgain, type CallRecord } from './call-record.ts';
import type { Company } from './company.ts';
import type { FakeDynamo } from './fake-dynamo.ts';
import { type FakeProviderOptions, providerFor } from './fake-provider.ts';
import type { LeasedPart } from './lease-truth.ts';
import { createProcess, type Process } from './process.ts';
import type { FakeUsageStream } from './usage-stream.ts';

/** What an environment keeps from one call to the next: it serves one at a time, as on Lambda, or several. */
export interface Environment {
  readonly clock: Clock;
  readonly accounts: Accounts;
  /** Dies with all its calls. */
  readonly process: Process;
  /** Calls being served. */
  open: number;
  /** Keys and policy as last fetched. */
  catalog: Catalog | undefined;
  /** For how long they are believed. */
  readonly believesMs: number;
}

interface Catalog {
  readonly atMs: number;
  readonly policy: PolicySnapshot;
  readonly keys: ReadonlyMap<string, KeyRecord>;
}

export interface EnvironmentOptions extends FakeProviderOptions {
  readonly dynamo: FakeDynamo;
  readonly company: Company;
  readonly usageStream: FakeUsageStream;
  readonly sabotage: Sabotage;
  readonly onDecided: (call: CallRecord) => void;
  /** What the call has taken is given back, and it reserves once more. */
  readonly onBegunAgain: (call: CallRecord) => void;
  readonly onUnchecked: (admission: UncheckedAdmission) => void;
  readonly onLeased: (account: string, part: LeasedPart) => void;
}

/** A call was admitted without one of its accounts. */
export interface UncheckedAdmission {
  readonly environment: Environment;
  readonly account: string;
  readonly limits: LimitPlan;
  readonly at: Moment;
}

/** Tests put something broken between the request path and the world, to see that it is noticed. */
export interface Sabotage {
  readonly store?: (store: AccountStore) => AccountStore;
  /** What the reaper writes to. */
  readonly reaper?: (store: AccountStore) => AccountStore;
  /** What the accounts take for the time. */
  readonly clock?: (clock: Clock) => Clock;
  readonly accounts?: (accounts: Accounts) => Accounts;
  readonly usage?: (sink: UsageSink, process: Process) => UsageSink;
  readonly upstream?: (upstream: UpstreamPort) => UpstreamPort;
  readonly directory?: (directory: Directory) => Directory;
}

/** Keys and policy may be so old; in histories of a minute most environments believe in them for less. */
const LONGEST_BELIEF_MS = 30_000;

export function newEnvironment(
  options: EnvironmentOptions,
  { isWorker }: { readonly isWorker: boolean } = { isWorker: false },
): Environment {
  const process = createProcess();
  const { scheduler, random, faults, dynamo, sabotage } = options;
  const skewMs = random.between(-faults.clockSkewMs, faults.clockSkewMs);
  const clock: Clock = { nowMs: () => scheduler.nowMs() + skewMs };
  const store = (sabotage.store ?? same)(dynamo.storeFor(process));
  const pause = pauseIn(options, process);
  const newLeases = isWorker ? leasesNamed(random.text) : undefined;
  const accounts = (sabotage.accounts ?? same)(
    createAccounts({ store, clock: (sabotage.clock ?? same)(clock), pause, newLeases }),
  );
  const believesMs = random.between(1_000, LONGEST_BELIEF_MS);
  return { clock, accounts, process, open: 0, catalog: undefined, believesMs };
}

/** The ports for one call. */
export function portsFor(
  options: EnvironmentOptions,
  environment: Environment,
  call: CallRecord,
): Ports {
  const { scheduler, random, usageStream, sabotage, trace } = options;
  const { clock, process } = environment;
  const accounts: Accounts = {
    ...environment.accounts,
    // No invariant may depend on a guess, so that half of them are anything.
    refusedLately: (asked) =>
      random.chance(0.5) ? environment.accounts.refusedLately(asked) : random.chance(0.5),
    hadPlenty: (asked) =>
      random.chance(0.5) ? environment.accounts.hadPlenty(asked) : random.chance(0.5),
    reserve: async (asked) => {
      decide(options, environment, { call, asked });
      const outcome = await environment.accounts.reserve(asked);
      if (outcome.kind === 'reserved') {
        call.hasRoom = true;
        for (const { key, plan, grant, part, unchecked } of outcome.grants) {
          if (part !== undefined) {
            const { second, minute } = grant.request.at;
            const demand = { ...grant.request.demand, requests: 1 };
            options.onLeased(key, { call, lease: part.use.lease, demand, second, minute });
          }
          if (unchecked === undefined) {
            if (grant.isDoubtful !== true && part === undefined) call.certain.add(key);
            continue;
          }
          call.unchecked.add(key);
          options.onUnchecked({ environment, account: key, limits: plan, at: grant.request.at });
        }
      }
      return outcome;
    },
  };
  const sink = usageStream.sinkFor(process);
  return {
    clock,
    timer: {
      after: (ms, signal) =>
        Promise.race([
          process.outside<void>((answer) =>
            scheduler.after(ms, () => signal.aborted || answer.resolve()),
          ),
          new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
        ]),
    },
    // Nobody cancels here: callers leave.
    cancellations: { mark: async () => undefined, isMarked: async () => false },
    rollups: { readCollection: async () => [] },
    accounts,
    directory: (sabotage.directory ?? same)({
      findKey: async (hash) => (await catalogOf(options, environment)).keys.get(hash),
      policy: async () => (await catalogOf(options, environment)).policy,
      recall(hash) {
        const { catalog } = environment;
        const key = catalog?.keys.get(hash);
        if (catalog === undefined || key === undefined) return undefined;
        return { key, policy: catalog.policy, isFresh: isBelieved(options, environment) };
      },
    }),
    providerKeys: {
      get: (_provider, { afterRejection } = { afterRejection: false }) =>
        process.outside((answer) =>
          scheduler.after(1, () =>
            answer.resolve(afterRejection && random.chance(0.5) ? 'new key' : 'key'),
          ),
        ),
      cacheSecret: async () => 'a secret of the simulation',
    },
    upstream: (sabotage.upstream ?? same)(providerFor(options, process, call)),
    usage: sabotage.usage?.(sink, process) ?? sink,
    report: (incident, fault) => {
      call.reports.push(incident);
      trace(`report ${incident} of ${call.holdId}: ${String(fault)}`);
    },
  };
}

function same<T>(value: T): T {
  return value;
}

/** A call reserves, by the policy that its environment knows. */
function decide(
  { company, scheduler, onDecided, onBegunAgain }: EnvironmentOptions,
  { clock, believesMs }: Environment,
  { call, asked }: { readonly call: CallRecord; readonly asked: ReserveCall },
): void {
  const { requestId, reservesBefore = 0, policyVersion = 0 } = asked;
  if (reservesBefore > 0) {
    onBegunAgain(call);
    beginAgain(call, holdIdOf(requestId, reservesBefore));
  }
  const policy = company.policyOf(policyVersion);
  const replacedAtMs = company.replacedAtMs(policy) ?? Number.POSITIVE_INFINITY;
  const isByOld = replacedAtMs + believesMs < scheduler.nowMs();
  call.decided = { policy, atMs: clock.nowMs(), isByOld };
  onDecided(call);
}

function isBelieved(
  { scheduler }: EnvironmentOptions,
  { catalog, believesMs }: Environment,
): boolean {
  return catalog !== undefined && scheduler.nowMs() < catalog.atMs + believesMs;
}

async function catalogOf(options: EnvironmentOptions, environment: Environment): Promise<Catalog> {
  const { scheduler, company } = options;
  const { catalog, process } = environment;
  if (catalog !== undefined && isBelieved(options, environment)) return catalog;
  environment.catalog = await process.outside<Catalog>((answer) => {
    const found = {
      atMs: scheduler.nowMs(),
      policy: company.policy(),
      keys: new Map(company.keys()),
    };
    scheduler.after(4, () => answer.resolve(found));
  });
  return environment.catalog;
}

/** Pauses of a process in virtual time. */
export function pauseIn(
  { scheduler, random }: Pick<EnvironmentOptions, 'scheduler' | 'random'>,
  process: Process,
): Pause {
  return (longestMs) =>
    process.outside<void>((answer) =>
      scheduler.after(longestMs * (0.5 + random.fraction() / 2), () => answer.resolve()),
    );
}
