import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { ask, latestRow, startForTest } from './provider-under-test.ts';

/** Raw body of a stream with usage asked, up to its end or its death. */
async function rawStream(url: string, model: string): Promise<{ text: string; died: boolean }> {
  const body = { model, stream: true, stream_options: { include_usage: true }, messages: ask() };
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify(body),
    redirect: 'manual',
  });
  let text = '';
  try {
    for await (const bytes of response.body ?? []) text += Buffer.from(bytes).toString('latin1');
    return { text, died: false };
  } catch {
    return { text, died: true };
  }
}

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}

describe('refusals', () => {
  it.each([
    ['400', OpenAI.BadRequestError],
    ['401', OpenAI.AuthenticationError],
    ['429', OpenAI.RateLimitError],
    ['500', OpenAI.InternalServerError],
    ['529', OpenAI.InternalServerError],
    ['html-502', OpenAI.InternalServerError],
    ['reset-before', OpenAI.APIConnectionError],
  ])('fault=%s is the SDK’s own error, and nothing is billed', async (fault, expected) => {
    const { client, provider } = await startForTest();
    const model = `sim-small+fault=${fault}`;
    const call = client.chat.completions.create({ model, messages: ask() });
    await expect(call).rejects.toBeInstanceOf(expected);
    expect(provider.ledger()).toMatchObject({ calls: 1, promptTokens: 0, completionTokens: 0 });
  });

  it('fault=redirect shows in the ledger who follows', async () => {
    const { provider } = await startForTest();
    const request = (redirect: 'manual' | 'follow') =>
      fetch(`${provider.url}/v1/chat/completions`, {
        method: 'POST',
        body: JSON.stringify({ model: 'sim-small+fault=redirect', messages: ask() }),
        redirect,
      });
    expect((await request('manual')).status).toBe(307);
    expect(provider.ledger().calls).toBe(1);
    await expect(request('follow')).rejects.toThrow(TypeError);
    expect(provider.ledger().calls).toBeGreaterThan(2);
  });

  it('sends the retry-after that was asked for', async () => {
    const { client } = await startForTest();
    const model = 'sim-small+fault=429+retry-after=7';
    const call = client.chat.completions.create({ model, messages: ask() });
    await expect(call).rejects.toSatisfy(
      (error) => error instanceof OpenAI.RateLimitError && error.headers.get('retry-after') === '7',
    );
  });

  it.each([
    ['html', 200, 'text/html', '<html>'],
    ['empty', 200, 'application/json', ''],
    ['204', 204, null, ''],
  ])('fault=%s answers %d without an answer', async (fault, status, type, start) => {
    const { provider } = await startForTest();
    const response = await fetch(`${provider.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: `sim-small+fault=${fault}`, messages: ask() }),
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([status, type]);
    expect((await response.text()).slice(0, 6)).toBe(start);
  });

  it.each(['hang', 'slow-first', 'stall-mid'])(
    'fault=%s keeps the caller waiting',
    async (fault) => {
      const { client } = await startForTest();
      const model = `sim-small+fault=${fault}`;
      const call = client.chat.completions.create({ model, messages: ask() }, { timeout: 150 });
      await expect(call).rejects.toThrow(OpenAI.APIConnectionTimeoutError);
    },
  );
});

describe('broken streams', () => {
  it('fault=reset-mid delivers half and resets', async () => {
    const { provider } = await startForTest();
    const { text, died } = await rawStream(provider.url, 'sim-small+tokens=10+fault=reset-mid');
    expect(died).toBe(true);
    expect(count(text, 'chat.completion.chunk')).toBe(1 + 5);
    expect(await latestRow(provider)).toMatchObject({ end: 'reset', completionTokens: 5 });
  });

  it.each([
    ['truncate', 0, 0],
    ['done-early', 1, 0],
    ['error-chunk', 1, 0],
    ['no-usage', 1, 0],
    ['usage-twice', 1, 2],
    ['usage-each', 1, 13],
    ['two-finishes', 1, 1],
    ['garbage-json', 1, 1],
    ['bad-utf8', 1, 1],
  ])('fault=%s ends with %d [DONE] and tells usage %d times', async (fault, dones, usages) => {
    const { provider } = await startForTest();
    const { text, died } = await rawStream(provider.url, `sim-small+tokens=10+fault=${fault}`);
    expect(died).toBe(false);
    expect([count(text, '[DONE]'), count(text, '"usage":{')]).toEqual([dones, usages]);
  });

  it.each([
    ['two-finishes', '"finish_reason":"stop"', 2],
    ['error-chunk', '"error":{"message":', 1],
    ['garbage-json', '"object":"chat.compl\n', 1],
    ['bad-utf8', '\xc3(\xff', 1],
    ['usage-negative', '"completion_tokens":-7', 1],
    ['usage-string', '"completion_tokens":"few"', 1],
  ])('fault=%s contains %j', async (fault, part, times) => {
    const { provider } = await startForTest();
    const { text } = await rawStream(provider.url, `sim-small+tokens=10+fault=${fault}`);
    expect(count(text, part)).toBe(times);
  });

  it('fault=usage-each counts up to the total', async () => {
    const { provider } = await startForTest();
    const { text } = await rawStream(provider.url, 'sim-small+tokens=4+fault=usage-each');
    const counts = [...text.matchAll(/"completion_tokens":(\d+)/g)].map(([, tokens]) =>
      Number(tokens),
    );
    expect(counts).toEqual([0, 1, 2, 3, 4, 4, 4]);
  });

  it('fault=ignore-max produces more than allowed, and bills it', async () => {
    const { client, provider } = await startForTest();
    const model = 'sim-small+fault=ignore-max';
    const answer = await client.chat.completions.create({ model, messages: ask(), max_tokens: 50 });
    expect(answer.usage?.completion_tokens).toBe(150);
    expect(provider.ledger().completionTokens).toBe(150);
  });

  it('fault=infinite speaks until the caller leaves', async () => {
    const { client, provider } = await startForTest();
    const model = 'sim-small+fault=infinite';
    const stream = await client.chat.completions.create({
      model,
      messages: ask(),
      stream: true,
      max_tokens: 5,
    });
    let heard = 0;
    for await (const _ of stream) {
      heard += 1;
      if (heard === 2000) break;
    }
    const row = await latestRow(provider);
    expect(row.end).toBe('client-left');
    expect(row.completionTokens).toBeGreaterThan(1900);
  });
});

describe('broken plain answers', () => {
  it.each(['truncate', 'garbage-json', 'bad-utf8'])('fault=%s is no JSON', async (fault) => {
    const { provider } = await startForTest();
    const response = await fetch(`${provider.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: `sim-small+fault=${fault}`, messages: ask() }),
    });
    await expect(response.json()).rejects.toThrow(SyntaxError);
  });

  it('fault=no-usage leaves the usage out', async () => {
    const { client, provider } = await startForTest();
    const model = 'sim-small+tokens=9+fault=no-usage';
    const answer = await client.chat.completions.create({ model, messages: ask() });
    expect('usage' in answer).toBe(false);
    expect(await latestRow(provider)).toMatchObject({ completionTokens: 9, usageReported: false });
  });
});
