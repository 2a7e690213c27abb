/** Incidents that operators should see. A closed list, because alarms count some of them. */
export type Incident =
  | 'request failed'
  | 'route failed'
  | 'stream broke'
  | 'drain broke'
  | 'cancellation not checked'
  | 'connection not reusable'
  | 'denial not closed'
  | 'limits not checked'
  | 'holds not given back'
  | 'holds not reaped'
  | 'usage spilled'
  | 'usage not delivered'
  | 'settlement failed'
  | 'policy not refreshed'
  | 'provider keys not refreshed'
  | 'budget check failed'
  | 'record not readable'
  | 'admin request failed';

/** Told with the fault for the logs; callers never see either. */
export type Report = (incident: Incident, fault: unknown) => void;
