import { ERRORS, type GatewayError } from './errors.ts';

/** Incidents that operators should see. A closed list, because alarms count some of them. */
export type Incident =
  | 'request failed'
  | 'route failed'
  | 'stream broke'
  | 'drain broke'
  | 'cancellation not checked'
  | 'activity not read'
  | 'connection not reusable'
  | 'denial not closed'
  | 'limits not checked'
  | 'holds not given back'
  | 'holds not reaped'
  | 'usage spilled'
  | 'usage not delivered'
  | 'usage not drained'
  | 'settlement failed'
  | 'policy not refreshed'
  | 'provider keys not refreshed'
  | 'signing keys not refreshed'
  | 'budget check failed'
  | 'rollups not written'
  | 'incidents not checked'
  | 'record not readable'
  | 'ledger not written'
  | 'statement not written'
  | 'books not compared'
  | 'posted call not corrected'
  | 'alert not delivered'
  | 'alert channel not set up'
  | 'audit record not shipped'
  | 'call record not stored'
  | 'spans not exported'
  | 'admin request failed';

/** Told with the fault for the logs, and with the request where there is one; callers never see any of it. */
export type Report = (incident: Incident, fault: unknown, requestId?: string) => void;

/** What is the caller's own mistake is the caller's to read, not the operators'. */
export function reportFault(report: Report, error: GatewayError): void {
  if (ERRORS[error.code].status >= 500) report('request failed', error);
}
