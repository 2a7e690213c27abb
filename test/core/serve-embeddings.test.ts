import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import type { UpstreamRequest } from '../../core/providers/upstream.ts';
import { bodyText } from '../support/body-text.ts';
import { createTestGateway, model } from '../support/gateway.ts';
import { teamState } from '../support/served.ts';

const VECTOR = [0.5, -0.25, 0.125];
const ANSWER = {
  object: 'list',
  model: 'text-embedding-3-small',
  data: [{ object: 'embedding', index: 0, embedding: VECTOR }],
  usage: { prompt_tokens: 5, total_tokens: 5 },
};

const open: { close(): void }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

/** A gateway before a provider that answers with these bytes. */
function gateway(answer: unknown = ANSWER) {
  const sent: UpstreamRequest[] = [];
  const created = createTestGateway({
    providerUrl: 'https://provider.example',
    limits: { team: { nanoUsdPerMonth: 1_000_000 } },
    models: [
      {
        ...model('embed', 'text-embedding-3-small'),
        maxOutputTokens: 1,
        defaultMaxOutputTokens: 1,
      },
    ],
  });
  open.push(created);
  const send = async (request: UpstreamRequest) => {
    await request.mayBegin;
    sent.push(request);
    return {
      status: 200,
      headers: {},
      body: (async function* () {
        yield Buffer.from(JSON.stringify(answer));
      })(),
      abort: () => undefined,
    };
  };
  Object.assign(created.ports, { upstream: { send } });
  const embed = (body: Record<string, unknown>) =>
    created.call({ method: 'POST', path: '/v1/embeddings', body: { model: 'embed', ...body } });
  return { ...created, sent, embed };
}

describe('embeddings', () => {
  it('reach the provider untouched but for the model, and come back untouched', async () => {
    const g = gateway();
    const answer = await g.embed({ input: ['Hi', 'you'], dimensions: 3, user: 'jane' });
    await answer.closed;
    expect(answer.status).toBe(200);
    expect(answer.text).toBe(JSON.stringify(ANSWER));
    expect(g.sent).toMatchObject([{ url: 'https://provider.example/v1/embeddings' }]);
    expect(JSON.parse(bodyText(g.sent[0]?.body ?? ''))).toEqual({
      model: 'text-embedding-3-small',
      input: ['Hi', 'you'],
      dimensions: 3,
    });
  });

  it('are booked by their input alone', async () => {
    const g = gateway();
    await (await g.embed({ input: 'Hello there' })).closed;
    expect(g.events).toMatchObject([
      { outcome: 'ok', input_tokens: 5, output_tokens: 0, estimated: false, model_alias: 'embed' },
    ]);
    // Five tokens at a quarter of a dollar a million.
    expect(g.events[0]?.cost_nano_usd).toBe(1_250);
    expect(teamState(g)).toMatchObject({ holds: 0, settled: 1_250 });
  });

  it('are booked by an estimate when the provider tells no usage', async () => {
    const g = gateway({ ...ANSWER, usage: undefined });
    await (await g.embed({ input: 'Hello there' })).closed;
    expect(g.events).toMatchObject([{ outcome: 'ok', estimated: true, output_tokens: 0 }]);
    expect(g.events[0]?.input_tokens).toBeGreaterThan(0);
  });

  it('are refused before they are sent when their input does not fit the budget', async () => {
    const g = gateway();
    const answer = await g.embed({ input: 'x'.repeat(10_000) });
    await answer.closed;
    expect(answer.status).toBe(429);
    expect(g.sent).toEqual([]);
    expect(teamState(g).holds).toBe(0);
  });

  it('are read by the official SDK, which asks for base64', async () => {
    const packed = Buffer.from(Float32Array.from(VECTOR).buffer).toString('base64');
    const g = gateway({ ...ANSWER, data: [{ object: 'embedding', index: 0, embedding: packed }] });
    const client = new OpenAI({
      apiKey: g.key,
      maxRetries: 0,
      fetch: async (url, init) => {
        const { pathname: path } = new URL(String(url));
        const { status, text, headers } = await g.call({
          method: 'POST',
          path,
          body: String(init?.body),
        });
        return new Response(text, { status, headers });
      },
    });
    const { data, usage } = await client.embeddings.create({ model: 'embed', input: 'Hi' });
    expect(data[0]?.embedding).toEqual(VECTOR);
    expect(usage.prompt_tokens).toBe(5);
    expect(JSON.parse(bodyText(g.sent[0]?.body ?? '')).encoding_format).toBe('base64');
  });

  it('that are no list of embeddings are the provider’s failure', async () => {
    const answer = await gateway({ choices: [] }).embed({ input: 'Hi' });
    await answer.closed;
    expect(answer.status).toBe(502);
  });
});
