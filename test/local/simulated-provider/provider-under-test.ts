import OpenAI from 'openai';
import { afterEach } from 'vitest';
import { z } from 'zod';
import {
  type SimulatedProvider,
  type SimulatedProviderOptions,
  startSimulatedProvider,
} from '../../../local/simulated-provider/simulated-provider.ts';

const started: SimulatedProvider[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((provider) => provider.close()));
});

/** A provider on a free port, closed after the test, and the official SDK pointed at it. */
export async function startForTest(options: SimulatedProviderOptions = {}) {
  const provider = await startSimulatedProvider(options);
  started.push(provider);
  const client = new OpenAI({
    apiKey: 'test-key',
    baseURL: `${provider.url}/v1`,
    maxRetries: 0,
    timeout: 5000,
  });
  return { provider, client };
}

const ledgerSchema = z.object({
  totals: z.looseObject({ calls: z.number() }),
  rows: z.array(
    z.object({
      dialect: z.string(),
      requestId: z.string().nullable(),
      authorizationHash: z.string().nullable(),
      end: z.string(),
      fault: z.union([z.string(), z.number()]).nullable(),
      promptTokens: z.number(),
      cachedTokens: z.number(),
      cacheWriteTokens: z.number(),
      completionTokens: z.number(),
      reasoningTokens: z.number(),
      usageReported: z.boolean(),
    }),
  ),
});

export async function ledgerOf({ url }: SimulatedProvider) {
  const response = await fetch(`${url}/_simulated/ledger`);
  return ledgerSchema.parse(await response.json());
}

/** The latest row, once there is one: a caller knows that it left before the provider does. */
export async function latestRow(provider: SimulatedProvider) {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const row = (await ledgerOf(provider)).rows.at(-1);
    if (row !== undefined) return row;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('the ledger stays empty');
}

export function ask(text = 'Tell me about budgets.') {
  return [{ role: 'user' as const, content: text }];
}

export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}
