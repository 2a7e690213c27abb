/** What the telemetry of every function offers, by Powertools or without it, and the incidents that alarms count. */
import type { METRICS } from '../../core/names.ts';
import type { Incident, Report } from '../../core/report.ts';

export type Metric = keyof typeof METRICS;

export interface Telemetry {
  readonly log: (
    message: string,
    fields: Readonly<Record<string, string | number | boolean | undefined>>,
  ) => void;
  readonly measure: (metric: Metric, value?: number) => void;
  /** Its cause is logged, prompts and keys never are. Incidents that an alarm watches are counted. */
  readonly report: Report;
  readonly flush: () => void;
}

export const COUNTED: { readonly [I in Incident]?: Metric } = {
  'usage spilled': 'usageSpilled',
  'limits not checked': 'limitsUnchecked',
  'settlement failed': 'settleFailed',
  'usage not delivered': 'settleFailed',
  'alert channel not set up': 'alertsUndeliverable',
  'record not readable': 'poisonRecords',
  'call record not stored': 'tracesLost',
  'spans not exported': 'spansLost',
};
