/** The usage monitor as an actor: the real telling of soft limits, over the same bad network, with redelivery as good as until it succeeds. */

import { CALLERS_PATIENCE, createPatientStore } from '../../core/limits/patient-store.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import { createSoftLimitAlerts } from '../../lambdas/usage-monitor/soft-limit-alerts.ts';
import { type EnvironmentOptions, pauseIn } from './environment.ts';
import { createProcess } from './process.ts';
import type { SoftChecks } from './soft-checks.ts';

export interface UsageMonitorOptions
  extends Pick<
    EnvironmentOptions,
    'scheduler' | 'random' | 'faults' | 'dynamo' | 'company' | 'trace'
  > {
  readonly checks: Pick<SoftChecks, 'sent'>;
}

const LONGEST_REST_MS = 15_000;
/** Two hours and more. What fails for so long would fail for ever, and the history would have no end in which that is seen. */
const MOST_DELIVERIES = 1_000;
const SEND_MS = 12;
const AWAITS = 8;

export function createUsageMonitor(options: UsageMonitorOptions): (event: UsageEvent) => void {
  const { scheduler, random, trace } = options;
  function deliver(event: UsageEvent, before: number): void {
    if (before === MOST_DELIVERIES) return;
    const again = () =>
      scheduler.after(random.between(1_000, LONGEST_REST_MS), () => deliver(event, before + 1));
    tell(options, event, again).catch((fault: unknown) => {
      trace(`not told: ${String(fault)}`);
      again();
    });
  }
  return (event) => {
    if (event.soft_limits_crossed !== null) deliver(event, 0);
  };
}

/** One invocation; `again` where its process dies. */
function tell(options: UsageMonitorOptions, event: UsageEvent, again: () => void): Promise<void> {
  const { scheduler, random, faults, dynamo, company, checks, trace } = options;
  const process = createProcess();
  if (random.chance(10 * faults.crashes)) process.dieAfter(random.between(1, AWAITS));
  process.onDeath(again);
  const alerts = createSoftLimitAlerts({
    store: createPatientStore({
      store: dynamo.storeFor(process),
      patience: CALLERS_PATIENCE,
      pause: pauseIn(options, process),
    }),
    directory: { findKey: async () => undefined, policy: async () => company.policy() },
    eventBridge: {
      send: ({ input }) =>
        process.outside((answer) => {
          const isTaken = !random.chance(faults.lostEvents);
          if (isTaken) for (const { Detail = '' } of input.Entries ?? []) checks.sent(Detail);
          scheduler.after(SEND_MS, () => answer.resolve({ FailedEntryCount: isTaken ? 0 : 1 }));
        }),
    },
    busName: 'alerts',
    clock: scheduler,
    report: (incident) => trace(`monitor reports ${incident}`),
  });
  return alerts.check([event]);
}
