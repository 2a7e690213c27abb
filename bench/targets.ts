/** Everything that is compared, started side by side before one simulated provider, each in processes of its own. */
import { join } from 'node:path';
import { newVirtualKey } from '../core/tenancy/virtual-key.ts';
import { startChildServer } from './child-server.ts';
import type { GatewayServerOptions } from './gateway-server.ts';
import type { Endpoint } from './load-client.ts';
import { startLocalInstance } from './local-instance.ts';

export const TARGET_NAMES = [
  'direct',
  'directAgain',
  'barePipe',
  'inProcess',
  'inProcessDynamo',
  'runtimeApi',
] as const;
export type TargetName = (typeof TARGET_NAMES)[number];

export interface Target {
  readonly name: TargetName;
  readonly endpoint: Endpoint;
  /** The processes whose work is this target's own. None for the provider itself. */
  pids(): readonly number[];
}

export interface Targets {
  readonly all: readonly Target[];
  stop(): Promise<void>;
}

export interface TargetsOptions {
  readonly dataDir: string;
  readonly synthCacheDir: string;
  /** Folder of the proxy's code: tells its environments from those of other functions. */
  readonly proxyCodeDir: string;
  readonly only?: readonly TargetName[];
  /** Stops everything that was started, and a start that is under way. */
  readonly signal: AbortSignal;
}

export async function startTargets(options: TargetsOptions): Promise<Targets> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  options.signal.addEventListener('abort', stop, { once: true });
  try {
    const provider = await startChildServer(import.meta.resolve('./provider-process.ts'), {});
    stops.push(provider.stop);
    const all: Target[] = [];
    for (const name of options.only ?? TARGET_NAMES) {
      const started = await STARTERS[name]({ ...options, providerUrl: provider.url });
      stops.push(started.stop);
      options.signal.throwIfAborted();
      all.push({ name, ...started });
    }
    return { all, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Start = (options: TargetsOptions & { readonly providerUrl: string }) => Promise<Started>;
type Started = Omit<Target, 'name'> & { stop(): Promise<void> };

const direct: Start = async ({ providerUrl }) => ({
  endpoint: { url: providerUrl },
  pids: () => [],
  stop: async () => {},
});

const STARTERS: Readonly<Record<TargetName, Start>> = {
  direct,
  directAgain: direct,
  async barePipe({ providerUrl }) {
    const child = await startChildServer(import.meta.resolve('./bare-pipe.ts'), { providerUrl });
    return { endpoint: { url: child.url }, pids: () => [child.pid], stop: child.stop };
  },
  inProcess: (options) => inProcess(options, 'memory'),
  inProcessDynamo: (options) => inProcess(options, 'dynamodb'),
  runtimeApi: startLocalInstance,
};

async function inProcess(
  { providerUrl, dataDir }: Parameters<Start>[0],
  accounts: GatewayServerOptions['accounts'],
): Promise<Started> {
  const key = newVirtualKey();
  const options: GatewayServerOptions = {
    providerUrl,
    key,
    accounts,
    dataDir: join(dataDir, accounts),
  };
  const child = await startChildServer(import.meta.resolve('./gateway-server.ts'), options);
  return { endpoint: { url: child.url, key }, pids: () => [child.pid], stop: child.stop };
}
