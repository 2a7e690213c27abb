import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type SimulatedProvider,
  startSimulatedProvider,
} from '../../local/simulated-provider/simulated-provider.ts';
import { createTestGateway, model, type TestGateway } from '../support/gateway.ts';
import { teamState } from '../support/served.ts';
import { type Door, openDoor } from './door.ts';

const CALLS = 60;
const AT_ONCE = 20;
/** What clients do of their own accord: the first try and two more. */
const SDK_TRIES = 3;

let provider: SimulatedProvider;
let open: { door: Door; g: TestGateway }[] = [];
beforeAll(async () => {
  provider = await startSimulatedProvider({ speed: { ttftMs: 0 } });
});
afterAll(() => provider.close());
afterEach(async () => {
  for (const { door, g } of open) {
    await door.close();
    g.close();
  }
  open = [];
});

async function doorBefore(...upstream: string[]) {
  const g = createTestGateway({
    providerUrl: provider.url,
    models: [model('sim-small', ...upstream)],
    limits: { team: { requestsPerSecond: 100_000 } },
  });
  const door = await openDoor(g.ports);
  open.push({ door, g });
  return { g, door };
}

/** The clients' own pauses between tries, without the waiting. */
function hasty(ask: (retries: typeof fetch) => Promise<unknown>): Promise<unknown> {
  return ask(async (input, init) => {
    const response = await fetch(input, init);
    const headers = new Headers(response.headers);
    if (response.status >= 429) headers.set('retry-after-ms', '1');
    return new Response(response.body, { status: response.status, headers });
  }).catch(() => undefined);
}

async function askMany(url: string, key: string): Promise<void> {
  const openai = (fetching: typeof fetch) =>
    new OpenAI({ baseURL: `${url}/v1`, apiKey: key, fetch: fetching }).chat.completions.create({
      model: 'sim-small',
      messages: [{ role: 'user', content: 'Hi' }],
    });
  const anthropic = (fetching: typeof fetch) =>
    new Anthropic({ baseURL: url, apiKey: key, fetch: fetching }).messages.create({
      model: 'sim-small',
      max_tokens: 20,
      messages: [{ role: 'user', content: 'Hi' }],
    });
  for (let done = 0; done < CALLS; done += AT_ONCE)
    await Promise.all(
      Array.from({ length: AT_ONCE }, (_, index) => hasty(index % 2 === 0 ? openai : anthropic)),
    );
}

describe('a provider that is down', () => {
  it.each(['500', '503', 'reset-before', 'html-502', '529'])(
    'with %s gets each try of a client once, and no more than three of one call',
    async (fault) => {
      const { g, door } = await doorBefore(`sim-small+fault=${fault}`);
      const before = provider.ledger().calls;
      await askMany(door.url, g.key);
      await door.settled();
      const upstream = provider.ledger().calls - before;
      const { requests } = door.seen;
      console.table({
        [`outage: ${fault}`]: {
          calls: CALLS,
          'requests of clients': requests,
          'calls to the provider': upstream,
          'a call': upstream / CALLS,
          'a request': upstream / requests,
        },
      });
      expect(requests).toBeLessThanOrEqual(CALLS * SDK_TRIES);
      expect(upstream / requests).toBeLessThanOrEqual(1.1);
      expect(teamState(g).holds).toBe(0);
    },
  );

  it.each(['401', '404', '400', '413'])('with %s is asked once and never again', async (fault) => {
    const { g, door } = await doorBefore(`sim-small+fault=${fault}`);
    const before = provider.ledger().calls;
    await askMany(door.url, g.key);
    expect(door.seen.requests).toBe(CALLS);
    expect(provider.ledger().calls - before).toBe(CALLS);
  });

  it('with five routes is tried on three of them at most', async () => {
    const { g } = await doorBefore(...[1, 2, 3, 4, 5].map((each) => `r${each}+fault=500`));
    const before = provider.ledger().calls;
    const answer = await g.chat({});
    await answer.closed;
    expect(provider.ledger().calls - before).toBe(3);
    expect(g.events).toMatchObject([{ attempts: 3, outcome: 'error' }]);
  });

  it.each(['reset-mid', 'stall-mid', 'truncate', 'error-chunk', 'hang'])(
    'that may have been billed (%s) is followed by no other route',
    async (fault) => {
      const g = createTestGateway({
        providerUrl: provider.url,
        idleTimeoutMs: 200,
        models: [model('sim-small', `a+tokens=40+fault=${fault}`, 'sim-small')],
      });
      const before = provider.ledger().calls;
      const answer = await g.chat({ stream: true });
      await answer.closed;
      g.close();
      expect(provider.ledger().calls - before).toBe(1);
      expect(g.events).toMatchObject([{ attempts: 1, outcome: 'error' }]);
    },
  );
});
