import { afterAll, afterEach, beforeAll } from 'vitest';
import { counterValue, parseAccount } from '../../core/limits/account.ts';
import { accountKey } from '../../core/tenancy/scopes.ts';
import {
  type SimulatedProvider,
  startSimulatedProvider,
} from '../../local/simulated-provider/simulated-provider.ts';
import {
  type Answer,
  createTestGateway,
  TEAM,
  type TestGateway,
  type TestGatewayOptions,
} from './gateway.ts';

/** A simulated provider for all tests of a file, and gateways before it that close after each. */
export function withProvider() {
  let provider: SimulatedProvider | undefined;
  const open: TestGateway[] = [];
  const running = (): SimulatedProvider => {
    if (provider === undefined) throw new Error('the provider runs only within tests');
    return provider;
  };
  beforeAll(async () => {
    provider = await startSimulatedProvider({ speed: { ttftMs: 0 } });
  });
  afterAll(() => running().close());
  afterEach(() => {
    for (const gateway of open.splice(0)) gateway.close();
  });
  return {
    provider: running,
    gateway(options: Partial<TestGatewayOptions> = {}): TestGateway {
      const created = createTestGateway({ providerUrl: running().url, ...options });
      open.push(created);
      return created;
    },
  };
}

/** What the team's account says of this month. */
export function teamState({ store }: TestGateway) {
  const account = parseAccount(store.items.get(accountKey(TEAM)) ?? {});
  const month = Number(new Date().toISOString().slice(0, 7).replace('-', ''));
  return {
    holds: account.holds.size,
    settled: counterValue(account, 'settledNanoUsd', month),
    committed: counterValue(account, 'nanoUsdPerMonth', month),
    requests: counterValue(account, 'settledRequests', month),
  };
}

/** The data of a stream's events. */
export function dataOf({ text }: Answer): string[] {
  return text
    .split('\n\n')
    .filter((block) => block.startsWith('data: '))
    .map((block) => block.slice(6));
}
