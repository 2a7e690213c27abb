/**
 * The accounts table behind a bad network: writes arrive late, twice, or without an answer. What a write
 * means is `applyWrite`, which the contract suite holds to the real engines.
 */
import { GatewayError } from '../../core/errors.ts';
import { parseAccount } from '../../core/limits/account.ts';
import type { AccountStore, KeyedWrite, WriteResult } from '../../core/limits/account-store.ts';
import { type AccountWrite, applyWrite, type StoredItem } from '../../core/limits/account-write.ts';
import type { Limits } from '../../core/limits/dimensions.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import { planSetup } from '../../core/limits/shard-setup.ts';
import type { Faults } from './faults.ts';
import type { Answer, Process } from './process.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

/** One arrival of one write at the table. */
export interface Arrival {
  readonly key: string;
  readonly write: AccountWrite;
  readonly before: StoredItem | undefined;
  /** Undefined when a condition did not hold. */
  readonly after: StoredItem | undefined;
  /** The writer had its answer, or had given up, before this copy arrived. */
  readonly isLate: boolean;
}

export interface FakeDynamo {
  readonly items: ReadonlyMap<string, StoredItem>;
  /** The table as the process reaches it. */
  storeFor(process: Process): AccountStore;
  /** What a policy change does to an account, at once. */
  setLimits(key: string, limits: Limits, policyVersion: number): void;
  setStatus(key: string, status: 'active' | 'revoked'): void;
}

export interface FakeDynamoOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: Faults;
  readonly onArrival: (arrival: Arrival) => void;
  /** Replaced by tests that break the table on purpose. */
  readonly apply?: typeof applyWrite;
}

/** The client gives up after two attempts of so long each. */
const ATTEMPT_MS = 800;
const GIVE_UP_MS = 2 * ATTEMPT_MS;
/** A write that was given up may still arrive so much later. */
const LATEST_MS = 5_000;

export function createFakeDynamo(options: FakeDynamoOptions): FakeDynamo {
  const { onArrival, apply = applyWrite } = options;
  const items = new Map<string, StoredItem>();

  function arrive(key: string, write: AccountWrite, isLate: boolean): WriteResult {
    const before = items.get(key);
    const after = apply(before, write);
    if (after !== undefined) items.set(key, after);
    onArrival({ key, write, before, after, isLate });
    if (after !== undefined) return { kind: 'applied', item: after };
    return before === undefined ? { kind: 'refused' } : { kind: 'refused', item: before };
  }

  function arriveTogether(writes: readonly KeyedWrite[], isLate: boolean): boolean {
    const legs = writes.map(({ key, write }) => {
      const before = items.get(key);
      return { key, write, before, after: apply(before, write) };
    });
    const isApplied = legs.every(({ after }) => after !== undefined);
    for (const { after, ...leg } of legs) {
      if (isApplied && after !== undefined) items.set(leg.key, after);
      onArrival({ ...leg, after: isApplied ? after : undefined, isLate });
    }
    return isApplied;
  }

  return {
    items,
    storeFor: (process) => ({
      writeTogether: (writes) =>
        process.outside((answer) =>
          deliver(options, (isLate) => arriveTogether(writes, isLate), answer),
        ),
      write: (key, write) =>
        process.outside((answer) =>
          deliver(options, (isLate) => arrive(key, write, isLate), answer),
        ),
      read: (key) =>
        process.outside((answer) =>
          options.scheduler.after(latency(options.random), () => answer.resolve(items.get(key))),
        ),
    }),
    setLimits(key, limits, policyVersion) {
      const item = items.get(key);
      const shards = item === undefined ? [] : [{ key, account: parseAccount(item) }];
      const at = momentOf(options.scheduler.nowMs(), calendarDay(options.scheduler.nowMs(), 'UTC'));
      for (const { key: account, write } of planSetup(shards, key, {
        setup: { limits, policyVersion },
        at,
      })) {
        const next = applyWrite(items.get(account), write);
        if (next !== undefined) items.set(account, next);
      }
    },
    setStatus: (key, status) => void items.set(key, { ...items.get(key), st: status }),
  };
}

/** One write on its way: arrives never, once or twice, and is answered with the truth or with a fault. */
function deliver<T>(
  { scheduler, random, faults }: FakeDynamoOptions,
  arrive: (isLate: boolean) => T,
  answer: Answer<T>,
): void {
  let isOver = false;
  const fail = (afterMs: number, cause: string) =>
    scheduler.after(afterMs, () => {
      isOver = true;
      answer.reject(unavailable(cause));
    });
  const unseen = () =>
    scheduler.after(random.chance(0.5) ? latency(random) : lateness(random), () => arrive(isOver));
  const answered = (afterMs: number) =>
    scheduler.after(afterMs, () => {
      const result = arrive(isOver);
      isOver = true;
      scheduler.after(latency(random), () => answer.resolve(result));
    });
  const { throttles, timeouts, duplicates } = faults;
  const fate = random.weighted({
    throttled: throttles,
    timedOut: timeouts / 2,
    appliedUnseen: timeouts / 2,
    sentTwice: duplicates,
    fine: 1 - throttles - timeouts - duplicates,
  });
  switch (fate) {
    case 'throttled':
      fail(latency(random), 'throttled');
      break;
    case 'timedOut':
      fail(GIVE_UP_MS, 'time-out, not applied');
      break;
    case 'appliedUnseen':
      unseen();
      fail(GIVE_UP_MS, 'time-out, applied');
      break;
    case 'sentTwice':
      unseen();
      answered(ATTEMPT_MS + latency(random));
      break;
    case 'fine':
      answered(latency(random));
      break;
  }
}

/** Milliseconds of one way: mostly 2 to 8, sometimes a tenth of a second. */
function latency(random: Random): number {
  return random.chance(0.05) ? random.between(20, 120) : random.between(2, 8);
}

function lateness(random: Random): number {
  return random.between(ATTEMPT_MS, LATEST_MS);
}

/** As the adapter of the real table translates every fault. */
function unavailable(cause: string): GatewayError {
  return new GatewayError('limiter_unavailable', 'The limits of this key cannot be checked.', {
    cause,
  });
}
