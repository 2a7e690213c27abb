import { createServer, type Server } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import type { Price } from '../../core/catalog/snapshot.ts';
import { MAX_NANO_USD } from '../../core/money.ts';
import { createTestGateway, model, type TestGateway } from '../support/gateway.ts';
import { teamState } from '../support/served.ts';

const open: (Server | TestGateway)[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

/** A gateway whose only model has this price, before a provider that answers with this usage. */
async function gatewayBefore(usage: object, price: Price): Promise<TestGateway> {
  const answer = {
    id: 'x',
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
    usage,
  };
  const provider = createServer((request, response) => {
    request.resume();
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  const address = provider.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const plain = model('sim-small');
  const gateway = createTestGateway({
    providerUrl: `http://127.0.0.1:${address.port}`,
    limits: { team: { nanoUsdPerMonth: 1e12 } },
    models: [{ ...plain, routes: plain.routes.map((route) => ({ ...route, price })) }],
  });
  open.push(provider, gateway);
  return gateway;
}

const price: Price = {
  version: 'book@1',
  input: 2_000_000,
  cachedInput: 200_000,
  cacheWrite5m: 2_500_000,
  cacheWrite1h: 2_500_000,
  output: 10_000_000,
};
const usage = {
  prompt_tokens: 1_000,
  completion_tokens: 50,
  total_tokens: 1_250,
  prompt_tokens_details: { cached_tokens: 300, cache_write_tokens: 200 },
  completion_tokens_details: { reasoning_tokens: 200 },
  cost: 0.001234,
};

it('settles what every class costs, to the nano-dollar, and says so to the caller', async () => {
  const gateway = await gatewayBefore(usage, price);
  const answer = await gateway.chat({ max_tokens: 400 });
  await answer.closed;
  const cost = 500 * 2_000 + 300 * 200 + 200 * 2_500 + 250 * 10_000;
  expect(gateway.events).toMatchObject([
    {
      input_tokens: 500,
      cached_input_tokens: 300,
      cache_write_5m_tokens: 200,
      output_tokens: 250,
      reasoning_tokens: 200,
      cost_nano_usd: cost,
      price_version: 'book@1',
      usage_raw: JSON.stringify(usage),
    },
  ]);
  expect(teamState(gateway)).toMatchObject({ holds: 0, settled: cost });
  expect(answer.headers['x-tollgate-cost-usd']).toBe('0.00406');
});

it('settles the figure of a provider that the route trusts', async () => {
  const gateway = await gatewayBefore(usage, { ...price, trustsProviderCost: true });
  await (await gateway.chat({})).closed;
  expect(gateway.events).toMatchObject([
    { cost_nano_usd: 1_234_000, price_version: 'book@1+provider-cost' },
  ]);
  expect(teamState(gateway).settled).toBe(1_234_000);
});

it('closes its books on a report of nonsense, and the budget shuts', async () => {
  const absurd = { prompt_tokens: 100_000_000, completion_tokens: 100_000_000 };
  const gateway = await gatewayBefore(absurd, { ...price, input: 1e12, output: 1e12 });
  await (await gateway.chat({ max_tokens: 1 })).closed;
  expect(teamState(gateway)).toMatchObject({ holds: 0, settled: MAX_NANO_USD });
  expect((await gateway.chat({ max_tokens: 1 })).status).toBe(429);
  expect(gateway.reports).toEqual([]);
});
