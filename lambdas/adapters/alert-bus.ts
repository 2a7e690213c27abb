/** Puts alerts on the bus, from which rules take them to people. */
import { type EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { ALERT_SOURCE } from '../../core/names.ts';

export interface AlertBus {
  /** Throws when the bus refuses it. */
  tell(detailType: string, detail: Readonly<Record<string, unknown>>): Promise<void>;
}

export function createAlertBus({
  client,
  busName,
}: {
  readonly client: EventBridgeClient;
  readonly busName: string;
}): AlertBus {
  return {
    async tell(detailType, detail) {
      const entry = {
        EventBusName: busName,
        Source: ALERT_SOURCE,
        DetailType: detailType,
        Detail: JSON.stringify(detail),
      };
      const { FailedEntryCount } = await client.send(new PutEventsCommand({ Entries: [entry] }));
      if ((FailedEntryCount ?? 0) > 0) throw new Error('the alert bus refused an alert');
    },
  };
}
