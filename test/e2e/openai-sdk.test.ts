import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, type RunningGateway, startGateway } from './instance.ts';

let gateway: RunningGateway;
let calls = 0;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

/** The official client as an application sets it up: another base URL, a virtual key, nothing else. */
function client(apiKey: string): OpenAI {
  const counted: typeof fetch = (input, init) => {
    calls += 1;
    return fetch(input, init);
  };
  return new OpenAI({ baseURL: `${gateway.baseUrl}/v1`, apiKey, fetch: counted });
}

async function clientOf(team: string): Promise<OpenAI> {
  return client((await gateway.keyOf(team)).key);
}

const HELLO = [{ role: 'user' as const, content: 'Hello, gateway!' }];

async function failure(promise: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  const before = calls;
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  calls -= before;
  if (error instanceof OpenAI.APIError) return error;
  throw new Error(`no API error: ${String(error)}`);
}

describe('the official OpenAI SDK', () => {
  it('gets a plain answer with usage and the gateway headers', async () => {
    const openai = await clientOf('open');
    const { data, response } = await openai.chat.completions
      .create({ model: 'fast', messages: HELLO })
      .withResponse();
    expect(data.choices[0]?.message.content?.length).toBeGreaterThan(0);
    expect(data.usage?.completion_tokens).toBe(20);
    expect(response.headers.get('x-tollgate-cost-usd')).toMatch(/^0\.0000/);
    expect(response.headers.get('x-ratelimit-limit-requests')).toBe('1000');
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
  });

  it('gets a streamed answer without usage, and with it when it asks', async () => {
    const openai = await clientOf('open');
    let text = '';
    for await (const chunk of await openai.chat.completions.create({
      model: 'fast',
      messages: HELLO,
      stream: true,
    })) {
      expect(chunk.usage).toBeUndefined();
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(text.length).toBeGreaterThan(0);
    const usages = [];
    for await (const chunk of await openai.chat.completions.create({
      model: 'fast',
      messages: HELLO,
      stream: true,
      stream_options: { include_usage: true },
    }))
      usages.push(chunk.usage);
    expect(usages.at(-1)?.completion_tokens).toBe(20);
    expect(usages.slice(0, -1).every((usage) => usage === null)).toBe(true);
  });

  it('gets chunks while the provider is still sending', async () => {
    const openai = await clientOf('open');
    const startedMs = performance.now();
    const arrivals: number[] = [];
    for await (const chunk of await openai.chat.completions.create({
      model: 'slow',
      messages: HELLO,
      stream: true,
    })) {
      if (chunk.choices[0]?.delta.content) arrivals.push(performance.now() - startedMs);
    }
    const [first = 0] = arrivals;
    const last = arrivals.at(-1) ?? 0;
    // The provider says 20 tokens a second: a relayed stream spreads over about a second, a buffered one arrives at once.
    expect(last - first).toBeGreaterThan(500);
    expect(new Set(arrivals.map((at) => Math.round(at / 50))).size).toBeGreaterThan(8);
  });

  it('gets a tool call, streamed and whole, and continues after its result', async () => {
    const openai = await clientOf('open');
    const tools = [
      {
        type: 'function' as const,
        function: {
          name: 'weather',
          parameters: {
            type: 'object',
            properties: { city: { type: 'string' } },
            required: ['city'],
          },
        },
      },
    ];
    const whole = await openai.chat.completions.create({ model: 'fast', messages: HELLO, tools });
    const [call] = whole.choices[0]?.message.tool_calls ?? [];
    expect(call).toMatchObject({ type: 'function', function: { name: 'weather' } });
    const streamed = await openai.chat.completions
      .stream({ model: 'fast', messages: HELLO, tools })
      .finalChatCompletion();
    const [again] = streamed.choices[0]?.message.tool_calls ?? [];
    const argumentsText = again?.type === 'function' ? again.function.arguments : '';
    expect(JSON.parse(argumentsText)).toHaveProperty('city');
    const message = whole.choices[0]?.message;
    if (message === undefined || call === undefined) throw new Error('no tool call');
    const final = await openai.chat.completions.create({
      model: 'fast',
      tools,
      messages: [...HELLO, message, { role: 'tool', tool_call_id: call.id, content: 'sunny' }],
    });
    expect(final.choices[0]?.finish_reason).not.toBe('tool_calls');
  });

  it('lists the models that the key may call', async () => {
    const names = [];
    for await (const model of (await clientOf('open')).models.list()) names.push(model.id);
    expect(names).toEqual(['fast', 'slow', 'dear', 'dies', 'html']);
  });

  it('raises its own errors for a bad key, a model that is not allowed and one that does not exist', async () => {
    const bad = await failure(
      client('tg_wrong').chat.completions.create({ model: 'fast', messages: HELLO }),
    );
    expect(bad).toBeInstanceOf(OpenAI.AuthenticationError);
    expect([bad.code, bad.type]).toEqual(['invalid_api_key', 'invalid_request_error']);
    const openai = await clientOf('open');
    expect(
      await failure(openai.chat.completions.create({ model: 'premium', messages: HELLO })),
    ).toBeInstanceOf(OpenAI.PermissionDeniedError);
    expect(
      await failure(openai.chat.completions.create({ model: 'nothing', messages: HELLO })),
    ).toBeInstanceOf(OpenAI.NotFoundError);
  });

  it('raises a rate limit error with a retry-after that says when', async () => {
    const openai = await clientOf('narrow');
    const quick = { maxRetries: 0 };
    await openai.chat.completions.create({ model: 'fast', messages: HELLO }, quick);
    await openai.chat.completions.create({ model: 'fast', messages: HELLO }, quick);
    const refused = await failure(
      openai.chat.completions.create({ model: 'fast', messages: HELLO }, quick),
    );
    expect(refused).toBeInstanceOf(OpenAI.RateLimitError);
    expect([refused.code, refused.type]).toEqual(['rate_limit_exceeded', 'rate_limit_error']);
    const seconds = Number(refused.headers?.get('retry-after'));
    expect(seconds).toBeGreaterThanOrEqual(1);
    expect(seconds).toBeLessThanOrEqual(60);
    expect(refused.error).toMatchObject({
      gateway: { dimension: 'requestsPerMinute', scope: 'team:narrow', limit: 2 },
    });
  });

  it('raises a spent budget once and does not try again', async () => {
    const openai = await clientOf('poor');
    calls = 0;
    const refused = await failure(
      openai.chat.completions.create({ model: 'slow', messages: HELLO }),
    );
    expect([refused.status, refused.code, refused.type]).toEqual([
      429,
      'budget_exhausted',
      'insufficient_quota',
    ]);
    expect(calls).toBe(1);
  });

  it('raises an error in the middle of a stream whose provider dies, and one for a page of HTML', async () => {
    const openai = await clientOf('open');
    const read = async () => {
      for await (const _chunk of await openai.chat.completions.create({
        model: 'dies',
        messages: HELLO,
        stream: true,
      }));
    };
    expect((await failure(read())).message).toContain('middle of the answer');
    const html = await failure(
      openai.chat.completions.create({ model: 'html', messages: HELLO }, { maxRetries: 0 }),
    );
    expect([html.status, html.code]).toEqual([502, 'upstream_error']);
  });
});

describe('the books', () => {
  it('close when the caller leaves in the middle of a stream', async () => {
    const { key } = await gateway.keyOf('open');
    const stream = await client(key).chat.completions.create({
      model: 'slow',
      messages: HELLO,
      stream: true,
    });
    for await (const _first of stream) break;
    stream.controller.abort();
    await eventually(async () => {
      const usage = await gateway.get('/v1/usage', key);
      expect(usage['scopes']).toMatchObject([
        { held: { requests: 0 }, settled: { requests: 1, output_tokens: 20 } },
        {},
      ]);
    });
  });
});

describe('governance', () => {
  it('refuses a revoked key at its next request', async () => {
    const { key, keyId } = await gateway.keyOf('open');
    const openai = client(key);
    await openai.chat.completions.create({ model: 'fast', messages: HELLO });
    expect((await gateway.admin('DELETE', `/keys/${keyId}`)).status).toBe(200);
    expect(
      await failure(openai.chat.completions.create({ model: 'fast', messages: HELLO })),
    ).toBeInstanceOf(OpenAI.AuthenticationError);
  });

  it('refuses a broken policy whole, with its lines, and keeps the one in force', async () => {
    const before = (await gateway.admin('GET', '/policy')).json;
    const source = String(before['source']).replace(
      'requests_per_minute: 2',
      'requests_per_minute: many',
    );
    const answer = await gateway.admin('PUT', '/policy', source);
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.json)).toMatch(
      /policy\.yaml:\d+:\d+ tenants\.acme\.teams\.narrow\.limits\.requests_per_minute/,
    );
    expect((await gateway.admin('GET', '/policy')).json).toEqual(before);
    await (await clientOf('open')).chat.completions.create({ model: 'fast', messages: HELLO });
  });

  it('wants the admin key on the admin API', async () => {
    const { key } = await gateway.keyOf('open');
    const response = await fetch(`${gateway.baseUrl}/admin/v1/policy`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(response.status).toBe(401);
  });
});

describe('the first alert', () => {
  it('comes exactly once when a team crosses 80 % of its monthly budget, through the router to the topic', async () => {
    const openai = await clientOf('watched');
    // Each call costs $8.50 of $100: the tenth crosses 80 %.
    for (let call = 0; call < 11; call += 1)
      await openai.chat.completions.create({ model: 'dear', messages: HELLO, max_tokens: 100 });
    const told = () => lines('sns').filter((line) => line.includes('budget found: team:watched'));
    await eventually(() => expect(told().length).toBe(1), 60_000);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(told().length).toBe(1);
    // The bus and the topic have its projection as an incident besides, on days of the month when the pace is too high.
    const crossed = lines('events').filter((line) => line.includes('Budget threshold crossed'));
    expect(crossed.filter((line) => line.includes('watched')).length).toBe(1);
    expect(told()[0]).toContain('80');
  }, 90_000);

  function lines(kind: 'events' | 'sns'): string[] {
    const folder = join(gateway.dataDir, kind);
    if (!existsSync(folder)) return [];
    return readdirSync(folder).flatMap((name) =>
      readFileSync(join(folder, name), 'utf8').split('\n'),
    );
  }
});
