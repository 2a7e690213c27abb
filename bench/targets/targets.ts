/** Everything that is compared, started side by side before one simulated provider, each in processes of its own. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { startChildServer } from '../child-server.ts';
import { newKeys } from '../company.ts';
import type { ProxyBundle } from '../proxy-bundle.ts';
import { barePipe } from './bare-pipe.ts';
import { dynoxideGateway, memoryGateway, stubGateway } from './gateway.ts';
import { localInstance } from './local-instance.ts';
import { managedInstance } from './managed-instance.ts';
import { NGINX, nginx } from './nginx.ts';
import { portkey, portkeyImage } from './portkey.ts';
import type { Start, Started } from './target.ts';

export const TARGET_NAMES = [
  'direct',
  'directAgain',
  'barePipe',
  'nginx',
  'portkeyImage',
  'portkey',
  'memory',
  'stub0',
  'stub4',
  'stub4Sdk',
  'dynoxide',
  'managed',
  'runtimeApi',
] as const;
export type TargetName = (typeof TARGET_NAMES)[number];

export interface Target extends Omit<Started, 'stop'> {
  readonly name: TargetName;
}

export interface Targets {
  readonly all: readonly Target[];
  readonly providerUrl: string;
  stop(): Promise<void>;
}

export interface TargetsOptions {
  readonly dataDir: string;
  readonly synthCacheDir: string;
  readonly bundle?: ProxyBundle;
  readonly only: readonly TargetName[];
  /** Stops everything that was started, and a start that is under way. */
  readonly signal: AbortSignal;
}

/** What this machine can start; other gateways only when they are asked for. */
export function targetNames({ withPeers }: { withPeers: boolean }): readonly TargetName[] {
  return TARGET_NAMES.filter((name) => {
    if (name === 'nginx') return isOnPath(NGINX);
    return name === 'portkey' || name === 'portkeyImage' ? withPeers : true;
  });
}

export async function startTargets({ signal, only, ...options }: TargetsOptions): Promise<Targets> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    const provider = await startChildServer(import.meta.resolve('../provider-process.ts'), {});
    stops.push(provider.stop);
    const places = { ...options, providerUrl: provider.url, keys: newKeys() };
    const all: Target[] = [];
    for (const name of only) {
      const started = await STARTERS[name]({ ...places, dataDir: join(options.dataDir, name) });
      stops.push(started.stop);
      signal.throwIfAborted();
      all.push({ name, ...started });
    }
    return { all, providerUrl: provider.url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const direct: Start = async ({ providerUrl }) => ({
  endpoint: { url: providerUrl },
  pids: () => [],
  stop: async () => {},
});

const STARTERS: Readonly<Record<TargetName, Start>> = {
  direct,
  directAgain: direct,
  barePipe,
  nginx,
  portkeyImage,
  portkey,
  memory: memoryGateway,
  stub0: stubGateway(0),
  stub4: stubGateway(4),
  stub4Sdk: stubGateway(4, 'sdk'),
  dynoxide: dynoxideGateway,
  managed: managedInstance,
  runtimeApi: localInstance,
};

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
