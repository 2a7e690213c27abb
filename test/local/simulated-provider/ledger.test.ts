import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';
import { afterAll, describe, expect, it } from 'vitest';
import { openLedger } from '../../../local/simulated-provider/ledger.ts';
import { ask, collect, latestRow, ledgerOf, startForTest } from './provider-under-test.ts';

const folder = mkdtempSync(join(tmpdir(), 'simulated-provider-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the ledger', () => {
  it('sums to what the callers were told, over a mix of calls', async () => {
    const { client, provider } = await startForTest();
    const told = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 };
    const unmarked = { cacheWriteTokens: 0 };
    const calls = Array.from({ length: 60 }, async (_, index) => {
      const model = `sim-small+reasoning=${index % 3}+cached=${index % 4}`;
      const request = { model, messages: ask(`call ${index}`), n: 1 + (index % 2) };
      const { usage } = await (index % 3 === 0
        ? client.chat.completions.create(request)
        : client.chat.completions
            .stream({ ...request, stream_options: { include_usage: true } })
            .finalChatCompletion());
      told.promptTokens += usage?.prompt_tokens ?? 0;
      told.cachedTokens += usage?.prompt_tokens_details?.cached_tokens ?? 0;
      told.completionTokens += usage?.completion_tokens ?? 0;
      told.reasoningTokens += usage?.completion_tokens_details?.reasoning_tokens ?? 0;
    });
    await Promise.all(calls);
    const sums = { calls: 60, ...told, ...unmarked };
    expect(provider.ledger()).toEqual({ ...sums, reported: sums });
    expect(Object.values(told).every((tokens) => tokens > 0)).toBe(true);
  });

  it('knows the caller by request id and by a hash of its key', async () => {
    const { client, provider } = await startForTest();
    const request = { model: 'sim-small', messages: ask() };
    await client.chat.completions.create(request, { headers: { 'x-request-id': 'req_1' } });
    const row = await latestRow(provider);
    expect(row).toMatchObject({ requestId: 'req_1', end: 'complete', usageReported: true });
    expect(row.authorizationHash).toMatch(/^[0-9a-f]{16}$/);
    expect(JSON.stringify(await ledgerOf(provider))).not.toContain('test-key');
  });

  it('bills what was generated until the caller left', async () => {
    const { client, provider } = await startForTest();
    const model = 'sim-small+tokens=1000+tps=200';
    const stream = await client.chat.completions.create({ model, messages: ask(), stream: true });
    let heard = 0;
    for await (const _ of stream) {
      heard += 1;
      if (heard === 20) break;
    }
    const row = await latestRow(provider);
    expect(row).toMatchObject({ end: 'client-left', promptTokens: 10, usageReported: false });
    expect(row.completionTokens).toBeGreaterThanOrEqual(19);
    expect(row.completionTokens).toBeLessThan(1000);
  });

  it('bills a plain answer by the time that the caller waited', async () => {
    const { client, provider } = await startForTest();
    const model = 'sim-small+tokens=1000+tps=500';
    const call = client.chat.completions.create({ model, messages: ask() }, { timeout: 200 });
    await expect(call).rejects.toThrow(OpenAI.APIConnectionTimeoutError);
    const { end, completionTokens } = await latestRow(provider);
    expect(end).toBe('client-left');
    expect(completionTokens).toBeGreaterThan(20);
    expect(completionTokens).toBeLessThan(1000);
  });

  it('does not outrun a caller that does not read', async () => {
    const { provider } = await startForTest();
    const controller = new AbortController();
    const response = await fetch(`${provider.url}/v1/chat/completions`, {
      method: 'POST',
      signal: controller.signal,
      body: JSON.stringify({ model: 'sim-small+tokens=200000', messages: ask(), stream: true }),
    });
    expect(response.status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 300));
    controller.abort();
    const row = await latestRow(provider);
    expect(row.end).toBe('client-left');
    expect(row.completionTokens).toBeLessThan(150_000);
  });
});

describe('closing', () => {
  it('books the calls that it cuts off', async () => {
    const dataDir = join(folder, 'closed');
    const { client, provider } = await startForTest({ dataDir });
    const model = 'sim-small+tokens=1000+tps=100';
    const stream = await client.chat.completions.create({ model, messages: ask(), stream: true });
    const heard = collect(stream).catch(() => 'cut off');
    await new Promise((resolve) => setTimeout(resolve, 100));
    await provider.close();
    expect(await heard).toBe('cut off');
    const reopened = openLedger(dataDir);
    expect(reopened.rows()).toMatchObject([{ end: 'client-left', promptTokens: 10 }]);
    reopened.close();
  });
});

describe('the ledger’s file', () => {
  it('has every answered call after kill -9, and goes on from there', async () => {
    const dataDir = join(folder, 'killed');
    const main = fileURLToPath(
      new URL('../../../local/simulated-provider/simulated-provider.ts', import.meta.url),
    );
    const script = `import { startSimulatedProvider } from ${JSON.stringify(main)};
      console.log((await startSimulatedProvider({ dataDir: ${JSON.stringify(dataDir)} })).url);`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script]);
    const [url] = await once(child.stdout, 'data');
    const client = new OpenAI({ apiKey: 'k', baseURL: `${String(url).trim()}/v1`, maxRetries: 0 });
    const request = { model: 'sim-small+tokens=7', messages: ask() };
    await Promise.all(Array.from({ length: 25 }, () => client.chat.completions.create(request)));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const { provider, client: next } = await startForTest({ dataDir });
    expect(provider.ledger()).toMatchObject({ calls: 25, completionTokens: 175 });
    await next.chat.completions.create(request);
    expect(next.baseURL).toContain(provider.url);
    expect(provider.ledger()).toMatchObject({ calls: 26, completionTokens: 182 });
  });

  it('drops a line that was torn by a crash, and only that one', () => {
    const dataDir = join(folder, 'torn');
    const first = openLedger(dataDir);
    const row = {
      startedAtMs: 1,
      id: 'chatcmpl-1',
      dialect: 'openai-chat',
      requestId: null,
      authorizationHash: null,
      model: 'sim-small',
      stream: true,
      status: 200,
      fault: null,
      end: 'complete' as const,
      promptTokens: 5,
      cachedTokens: 0,
      cacheWriteTokens: 0,
      completionTokens: 7,
      reasoningTokens: 0,
      usageReported: true,
    };
    first.record(row);
    first.close();
    appendFileSync(join(dataDir, 'ledger.ndjson'), '{"startedAtMs":2,"id":"chatc');
    const second = openLedger(dataDir);
    expect(second.rows()).toEqual([row]);
    second.record(row);
    second.close();
    const third = openLedger(dataDir);
    expect(third.totals()).toMatchObject({ calls: 2, completionTokens: 14 });
    third.close();
  });
});
