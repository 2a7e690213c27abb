/**
 * The usage stream and what reads it. Puts fail, or are taken without an answer; deliveries come late,
 * more than once and in any order. The ledger keeps one row a request.
 */
import { GatewayError } from '../../core/errors.ts';
import type { UsageSink } from '../../core/serve.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import type { Faults } from './faults.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

export interface FakeUsageStream {
  sinkFor(process: Process): UsageSink;
  /** One row a request: real usage replaces the row of an expired hold, whichever comes first. */
  readonly ledger: ReadonlyMap<string, UsageEvent>;
}

export interface UsageStreamOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: Faults;
  /** The event is durable from now on. */
  readonly onDurable: (event: UsageEvent) => void;
  /** A reader of the stream gets the event, now and then more than once. */
  readonly onDelivery: (event: UsageEvent) => void;
}

const GIVE_UP_MS = 2_000;
const LATEST_DELIVERY_MS = 60_000;

export function createFakeUsageStream(options: UsageStreamOptions): FakeUsageStream {
  const { scheduler, random, faults, onDurable, onDelivery } = options;
  const ledger = new Map<string, UsageEvent>();

  function deliver(event: UsageEvent): void {
    onDelivery(event);
    const known = ledger.get(event.request_id);
    if (known === undefined || known.outcome === 'expired') ledger.set(event.request_id, event);
  }
  function take(event: UsageEvent): void {
    onDurable(event);
    const deliveries = random.chance(0.1) ? random.between(2, 5) : 1;
    for (let left = deliveries; left > 0; left -= 1)
      scheduler.after(random.between(10, LATEST_DELIVERY_MS), () => deliver(event));
  }

  return {
    ledger,
    sinkFor: (process) => ({
      put: (event) =>
        process.outside((answer) => {
          const arrivesAfterMs = random.between(2, 15);
          const fate = random.weighted({
            lost: faults.lostEvents / 2,
            takenUnseen: faults.lostEvents / 2,
            fine: 1 - faults.lostEvents,
          });
          if (fate !== 'lost') scheduler.after(arrivesAfterMs, () => take(event));
          if (fate === 'fine')
            return scheduler.after(2 * arrivesAfterMs, () => answer.resolve(undefined));
          scheduler.after(GIVE_UP_MS, () =>
            answer.reject(new GatewayError('internal_error', fate)),
          );
        }),
    }),
  };
}
