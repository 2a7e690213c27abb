/** The port to stored incidents. Whoever writes a transition tells it; a teller that died is replaced. */
import type { Incident } from './incidents.ts';

export interface StoredIncident {
  readonly incident: Incident;
  /** Grows with every write. */
  readonly version: number;
  /** Transitions up to this one are on the bus. */
  readonly toldTransitions: number;
  /** When somebody last took the right to tell, epoch seconds. */
  readonly claimedAtSeconds: number;
}

export interface IncidentStore {
  /** The incidents of a target, by their key. */
  ofTarget(target: string): Promise<ReadonlyMap<string, StoredIncident>>;
  /** All that are open, and those that are closed and not told yet. Closed ones are forgotten in time. */
  unfinished(): Promise<ReadonlyMap<string, StoredIncident>>;
  /** False when the incident is no longer at that version; version 0 is one that does not exist. */
  write(key: string, stored: StoredIncident): Promise<boolean>;
}
