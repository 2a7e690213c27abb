/** Tells something once: claim in the account, put the event on the bus, mark as told. */
import { PutEventsCommand, type PutEventsCommandOutput } from '@aws-sdk/client-eventbridge';
import { planClaim, planTold, wasTold } from '../../core/alerts/mark.ts';
import type { Clock } from '../../core/clock.ts';
import type { AccountStore } from '../../core/limits/account-store.ts';
import { ALERT_SOURCE } from '../../core/names.ts';

export interface AlertBus {
  readonly store: AccountStore;
  readonly eventBridge: {
    send(command: PutEventsCommand): Promise<Pick<PutEventsCommandOutput, 'FailedEntryCount'>>;
  };
  readonly busName: string;
  readonly clock: Clock;
}

export interface Alert {
  /** The account that has the mark. */
  readonly key: string;
  readonly mark: string;
  /** Nobody tells it again before. */
  readonly untilSeconds: number;
  readonly detailType: string;
  readonly detail: Readonly<Record<string, string | number>>;
}

/** Throws when another process holds a fresh claim: the batch comes again and finds it told, or dead. */
export async function tellOnce(
  { store, eventBridge, busName, clock }: AlertBus,
  { key, mark, untilSeconds, detailType, detail }: Alert,
): Promise<void> {
  const nowSeconds = Math.floor(clock.nowMs() / 1000);
  const known = await store.read(key);
  if (known === undefined || wasTold(known[mark], nowSeconds)) return;
  const claim = await store.write(key, planClaim(mark, nowSeconds));
  if (claim.kind === 'refused') {
    if (claim.item === undefined || wasTold(claim.item[mark], nowSeconds)) return;
    throw new Error(`${mark} of ${key} is claimed elsewhere and not told yet`);
  }
  const entry = {
    EventBusName: busName,
    Source: ALERT_SOURCE,
    DetailType: detailType,
    Detail: JSON.stringify(detail),
  };
  const { FailedEntryCount } = await eventBridge.send(new PutEventsCommand({ Entries: [entry] }));
  if ((FailedEntryCount ?? 0) > 0) throw new Error(`the alert bus refused ${mark} of ${key}`);
  await store.write(key, planTold(mark, untilSeconds));
}
