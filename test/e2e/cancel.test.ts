import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { eventually, type RunningGateway, startGateway } from './instance.ts';

const run = promisify(execFile);
let gateway: RunningGateway;

beforeAll(async () => {
  gateway = await startGateway({ policy: 'test/fixtures/cancel-policy.yaml' });
});
afterAll(() => gateway.stop());

/** Starts a stream of the official SDK; `read` counts what comes until it ends, and how. */
async function startStream(key: string, model: string) {
  const client = new OpenAI({ baseURL: `${gateway.baseUrl}/v1`, apiKey: key, maxRetries: 0 });
  const { data, response } = await client.chat.completions
    .create({ model, stream: true, messages: [{ role: 'user', content: 'Talk.' }] })
    .withResponse();
  const read = async () => {
    let chunks = 0;
    try {
      for await (const _chunk of data) chunks += 1;
    } catch (error) {
      if (error instanceof OpenAI.APIError) return { chunks, code: error.code };
      throw error;
    }
    return { chunks, code: 'finished' };
  };
  return { id: response.headers.get('x-request-id') ?? '', read };
}

async function cancel(id: string, key: string): Promise<number> {
  const response = await fetch(`${gateway.baseUrl}/v1/requests/${id}/cancel`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
  });
  await response.body?.cancel();
  return response.status;
}

const rowsSchema = z.array(z.looseObject({ outcome: z.string(), requests: z.string() }));

describe('a running stream', () => {
  it('ends as an error within seconds of its cancellation, and its books are closed', async () => {
    const { key } = await gateway.keyOf('open');
    const { key: foreign } = await gateway.keyOf('open');
    const { id, read } = await startStream(key, 'endless');
    const reading = read();
    await new Promise((resolve) => setTimeout(resolve, 5_500));
    expect(await cancel(id, foreign)).toBe(404);
    const cancelledMs = performance.now();
    expect(await cancel(id, key)).toBe(202);
    const { chunks, code } = await reading;
    expect(performance.now() - cancelledMs).toBeLessThan(4_000);
    expect(code).toBe('request_cancelled');
    expect(chunks).toBeGreaterThan(50);
    await eventually(async () => {
      const usage = await gateway.get('/v1/usage', key);
      expect(usage['scopes']).toMatchObject([
        { held: { requests: 0 }, settled: { requests: 1 } },
        {},
      ]);
    });
    expect(await cancel(id, key)).toBe(404);
    const response = await fetch(`${gateway.providerUrl}/_simulated/ledger`);
    const { totals } = z
      .object({ totals: z.looseObject({ completionTokens: z.number() }) })
      .parse(await response.json());
    // The provider was stopped: it would have gone on for four minutes.
    expect(totals.completionTokens).toBeLessThan(300);
    const rows = await eventually(async () => {
      const query = ['unpriced-or-estimated', '--json', '--data', gateway.dataDir];
      const { stdout } = await run(process.execPath, ['local/athena-cli.ts', ...query]);
      const found = rowsSchema.parse(JSON.parse(stdout));
      expect(found).not.toEqual([]);
      return found;
    }, 60_000);
    expect(rows).toMatchObject([{ outcome: 'cancelled', requests: '1' }]);
  }, 120_000);

  it('ends as an error when the time that its model allows is over', async () => {
    const { key } = await gateway.keyOf('open');
    const startedMs = performance.now();
    const { read } = await startStream(key, 'hurried');
    const { code } = await read();
    expect(code).toBe('upstream_timeout');
    expect(performance.now() - startedMs).toBeLessThan(4_000);
  });
});
