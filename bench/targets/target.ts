import type { Keys } from '../company.ts';
import type { ProxyBundle } from '../proxy-bundle.ts';
import type { Table } from '../table/table.ts';
import type { Endpoint } from './endpoint.ts';

/** Something that is compared. */
export interface Started {
  readonly endpoint: Endpoint;
  /** Keys of all projects, where there is a gateway of ours. */
  readonly keys?: Keys;
  /** The table before which it stands, where that counts. */
  readonly table?: Table;
  /** The processes whose work is this target's own. None for the provider itself. */
  pids(): readonly number[];
  stop(): Promise<void>;
}

interface Places {
  readonly providerUrl: string;
  readonly keys: Keys;
  readonly dataDir: string;
  readonly synthCacheDir: string;
  /** The proxy as it is deployed. Absent: the targets that need it cannot be started. */
  readonly bundle?: ProxyBundle;
}

export type Start = (places: Places) => Promise<Started>;
