/** The gateways that run from their sources, each in a process of its own: core/serve.ts behind a plain server. */
import { join } from 'node:path';
import { startDynamo } from '../../local/dynamo.ts';
import { startChildServer } from '../child-server.ts';
import { companyOf, type Keys } from '../company.ts';
import type { ProxyBundle } from '../proxy-bundle.ts';
import { fillTables, TABLES } from '../table/fill-tables.ts';
import { startTable, type Table } from '../table/table.ts';
import { withKey } from './endpoint.ts';
import type { Start, Started } from './target.ts';

export interface GatewayOptions {
  readonly providerUrl: string;
  readonly keys: Keys;
  /** A figure taken while something went wrong would mislead: unless this is set, the process ends, and the run with it. */
  readonly mayFail?: boolean | undefined;
  /** Absent: keys, policy and accounts are in memory. */
  readonly tables?: Tables | undefined;
}

export interface Tables {
  readonly url: string;
  /** Absent: usage events go nowhere. */
  readonly eventsUrl?: string | undefined;
  readonly accountsTable: string;
  readonly catalogTable: string;
  readonly client: Client;
}

/** Of AWS: the request path's own, or the SDK that it replaced. */
type Client = 'lean' | 'sdk';

/** Nothing but `--hot` writes one item so often. */
const UNLIMITED = 1_000_000;

export const memoryGateway: Start = async ({ providerUrl, keys, bundle }) => {
  return started(keys, await startProcess({ providerUrl, keys }, bundle));
};

/** Before a stub that answers after so many milliseconds. */
export function stubGateway(roundTripMs: number, client: Client = 'lean'): Start {
  return async ({ providerUrl, keys, bundle }) => {
    const table = await filledTable({ providerUrl, keys, roundTripMs, unitsPerSecond: UNLIMITED });
    const gateway = await startGateway({ providerUrl, keys, url: table.url, client, bundle });
    return { ...started(keys, gateway), table, stop: stopAll(gateway, table) };
  };
}

/** Before the local engine; usage events go nowhere. */
export const dynoxideGateway: Start = async ({ providerUrl, keys, dataDir, bundle }) => {
  const log = (line: string) => void process.stderr.write(`${line}\n`);
  const engine = await startDynamo({ dataDir: join(dataDir, 'dynamo'), env: {}, log });
  await fillTables(engine.url, companyOf(providerUrl, keys));
  const tables: Tables = { url: engine.url, ...TABLES, client: 'lean' };
  const gateway = await startProcess({ providerUrl, keys, tables }, bundle);
  const stop = stopAll(gateway, { stop: engine.close });
  return { ...started(keys, gateway), stop };
};

interface Filling {
  readonly providerUrl: string;
  readonly keys: Keys;
  readonly roundTripMs: number;
  readonly unitsPerSecond: number;
}

export async function filledTable({ providerUrl, keys, ...options }: Filling): Promise<Table> {
  const table = await startTable(options);
  await fillTables(table.url, companyOf(providerUrl, keys));
  await table.take();
  return table;
}

export function startGateway({
  url,
  client,
  bundle,
  ...rest
}: Pick<GatewayOptions, 'providerUrl' | 'keys'> & {
  url: string;
  client: Client;
  mayFail?: boolean;
  bundle?: ProxyBundle | undefined;
}) {
  return startProcess({ ...rest, tables: { url, eventsUrl: url, ...TABLES, client } }, bundle);
}

/** With the function's own options of Node, of which the garbage of a call depends. */
function startProcess(options: GatewayOptions, bundle?: ProxyBundle) {
  const { NODE_OPTIONS = '' } = { ...process.env, ...bundle?.env };
  return startChildServer(import.meta.resolve('./gateway-process.ts'), options, {
    env: { NODE_OPTIONS },
  });
}

interface Gateway {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export function started(keys: Keys, { url, pid, stop }: Gateway, project = 'bench'): Started {
  const endpoint = { url, headers: withKey(keys[project] ?? '') };
  return { endpoint, keys, pids: () => [pid], stop };
}

export function stopAll(...all: readonly { stop(): Promise<void> }[]) {
  return async () => {
    for (const each of all) await each.stop();
  };
}
