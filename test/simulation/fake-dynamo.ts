/**
 * The accounts table behind a bad network: writes arrive late, or without an answer. What a write
 * means is `applyWrite`, which the contract suite holds to the real engines.
 */
import { parseAccount } from '../../core/limits/account.ts';
import type { AccountSetup } from '../../core/limits/account-setup.ts';
import {
  type AccountStore,
  type KeyedWrite,
  StoreFault,
  type WriteResult,
  writeResult,
} from '../../core/limits/account-store.ts';
import { type AccountWrite, applyWrite, type StoredItem } from '../../core/limits/account-write.ts';
import { ATTEMPT_MS } from '../../core/limits/patient-store.ts';
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
  /** All writes of the transaction, this one among them. */
  readonly legs?: readonly KeyedWrite[];
  /** The writer had given up this attempt before it arrived. */
  readonly isLate: boolean;
}

export interface FakeDynamo {
  readonly items: ReadonlyMap<string, StoredItem>;
  /** The table as the process reaches it. */
  storeFor(process: Process): AccountStore;
  /** The items of a scope's accounts by key, the first one first. */
  shardsOf(scope: string): (readonly [string, StoredItem])[];
  /** What a policy change does to a scope's accounts, at once. */
  setLimits(scope: string, setup: AccountSetup, timeZone: string): void;
  setStatus(scope: string, status: 'active' | 'revoked'): void;
}

export interface FakeDynamoOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: Faults;
  readonly onArrival: (arrival: Arrival) => void;
  /** Replaced by tests that break the table on purpose. */
  readonly apply?: typeof applyWrite;
}

/** An account stays out of reach for one process up to so long. */
const LONGEST_TROUBLE_MS = 4_000;
/** A write that was given up may still arrive so much later. */
const LATEST_MS = 5_000;

export function createFakeDynamo(options: FakeDynamoOptions): FakeDynamo {
  const { onArrival, apply = applyWrite } = options;
  const items = new Map<string, StoredItem>();
  const troubles = new WeakMap<Process, Map<string, Trouble>>();

  function arrive(key: string, write: AccountWrite, isLate: boolean): WriteResult {
    const before = items.get(key);
    const after = apply(before, write);
    if (after !== undefined) items.set(key, after);
    onArrival({ key, write, before, after, isLate });
    return writeResult(write, before, after);
  }

  function arriveTogether(writes: readonly KeyedWrite[], isLate: boolean): boolean {
    const legs = writes.map(({ key, write }) => {
      const before = items.get(key);
      return { key, write, before, after: apply(before, write) };
    });
    const isApplied = legs.every(({ after }) => after !== undefined);
    for (const { key, after } of legs) if (isApplied && after !== undefined) items.set(key, after);
    for (const { after, ...leg } of legs)
      onArrival({ ...leg, legs: writes, after: isApplied ? after : undefined, isLate });
    return isApplied;
  }

  function troublesOf(process: Process): Map<string, Trouble> {
    const known = troubles.get(process) ?? new Map<string, Trouble>();
    troubles.set(process, known);
    return known;
  }

  return {
    items,
    storeFor: (process) => ({
      writeTogether: (writes) =>
        process.outside((answer) =>
          deliver(options, {
            arrive: (isLate) => arriveTogether(writes, isLate),
            answer,
            fate: fateOf(options, troublesOf(process), writes[0]?.key ?? ''),
          }),
        ),
      write: (key, write) =>
        process.outside((answer) =>
          deliver(options, {
            arrive: (isLate) => arrive(key, write, isLate),
            answer,
            fate: fateOf(options, troublesOf(process), key),
          }),
        ),
      read: (key) =>
        process.outside((answer) =>
          options.scheduler.after(latency(options.random), () => answer.resolve(items.get(key))),
        ),
    }),
    ...controlPlane(options, items),
  };
}

/** What policies and people change, at once and without faults. */
function controlPlane(
  { scheduler }: FakeDynamoOptions,
  items: Map<string, StoredItem>,
): Pick<FakeDynamo, 'shardsOf' | 'setLimits' | 'setStatus'> {
  function shardsOf(scope: string): (readonly [string, StoredItem])[] {
    const shards: (readonly [string, StoredItem])[] = [];
    for (let key = scope; ; key = `${scope}%.${shards.length}`) {
      const item = items.get(key);
      if (item === undefined) return shards;
      shards.push([key, item]);
    }
  }
  return {
    shardsOf,
    setLimits(scope, setup, timeZone) {
      const shards = shardsOf(scope).map(([key, item]) => ({ key, account: parseAccount(item) }));
      const nowMs = scheduler.nowMs();
      const at = momentOf(nowMs, calendarDay(nowMs, timeZone));
      for (const { key, write } of planSetup(shards, scope, { setup, at })) {
        const next = applyWrite(items.get(key), write);
        if (next === undefined) throw new Error(`a policy change was refused by ${key}`);
        items.set(key, next);
      }
    },
    setStatus: (scope, status) => {
      for (const [key, item] of shardsOf(scope)) items.set(key, { ...item, st: status });
    },
  };
}

type Fate = 'throttled' | 'timedOut' | 'appliedUnseen' | 'fine';

interface Trouble {
  readonly fate: Fate;
  readonly untilMs: number;
}

/** What becomes of an attempt; trouble between a process and an account may last for some attempts. */
function fateOf(
  { scheduler, random, faults: { throttles, timeouts } }: FakeDynamoOptions,
  troubles: Map<string, Trouble>,
  key: string,
): Fate {
  const known = troubles.get(key);
  if (known !== undefined && scheduler.nowMs() < known.untilMs) return known.fate;
  const fate = random.weighted({
    throttled: throttles,
    timedOut: timeouts / 2,
    appliedUnseen: timeouts / 2,
    fine: 1 - throttles - timeouts,
  });
  if (fate !== 'fine' && random.chance(0.5))
    troubles.set(key, { fate, untilMs: scheduler.nowMs() + random.between(1, LONGEST_TROUBLE_MS) });
  return fate;
}

interface Delivery<T> {
  readonly arrive: (isLate: boolean) => T;
  readonly answer: Answer<T>;
  readonly fate: Fate;
}

/** One attempt on its way: arrives or not, and is answered with the truth or with a fault. */
function deliver<T>(
  { scheduler, random }: FakeDynamoOptions,
  { arrive, answer, fate }: Delivery<T>,
): void {
  let isOver = false;
  const fail = (afterMs: number, isDoubtful: boolean) =>
    scheduler.after(afterMs, () => {
      isOver = true;
      answer.reject(new StoreFault(fate, { isDoubtful }));
    });
  switch (fate) {
    case 'throttled':
      fail(latency(random), false);
      break;
    case 'timedOut':
      fail(ATTEMPT_MS, true);
      break;
    case 'appliedUnseen':
      scheduler.after(random.chance(0.5) ? latency(random) : lateness(random), () =>
        arrive(isOver),
      );
      fail(ATTEMPT_MS, true);
      break;
    case 'fine':
      scheduler.after(latency(random), () => {
        const result = arrive(false);
        scheduler.after(latency(random), () => answer.resolve(result));
      });
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
