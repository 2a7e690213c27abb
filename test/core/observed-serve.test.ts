import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/clock.ts';
import { createBackgroundRequests } from '../../lambdas/adapters/background-request.ts';
import { createSpanExporter } from '../../lambdas/adapters/span-exporter.ts';
import { model } from '../support/gateway.ts';
import { attributesOf, type OtlpSpan, observe, otlpRequestSchema } from '../support/observed.ts';
import { type ScriptedProvider, startScriptedProvider } from '../support/scripted-provider.ts';
import { teamState, withProvider } from '../support/served.ts';

const { gateway } = withProvider();
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const traceparent = `00-${TRACE}-${PARENT}-01`;

const chat = (extra: Record<string, unknown> = {}) => ({
  model: 'sim-small',
  messages: [{ role: 'user', content: 'Hello CANARY, I am ann@example.com' }],
  ...extra,
});

describe('metrics', () => {
  it('are one line a call, streamed or whole, with its tokens and its pace', async () => {
    const g = observe(gateway());
    await g.call({ body: chat({ stream: true }) });
    await g.call({ body: chat() });
    expect(g.lines).toHaveLength(2);
    expect(g.lines[0]).toMatchObject({
      'gen_ai.request.model': 'sim-small',
      'gen_ai.provider.name': 'sim',
      'gen_ai.server.time_to_first_token': expect.any(Number),
      'gen_ai.server.time_per_output_token': expect.any(Number),
      'tollgate.overhead': expect.any(Number),
    });
    expect(g.lines[1]).not.toHaveProperty('gen_ai.server.time_to_first_token');
  });

  it('are not told of what is no call', async () => {
    const g = observe(gateway());
    await g.call({ body: { model: 'sim-small' } });
    await g.call({ path: '/v1/nothing', body: {} });
    expect(g.lines).toEqual([]);
    expect(g.faults()).toBe(0);
  });
});

describe('spans', () => {
  let collector: ScriptedProvider;
  const background = createBackgroundRequests();
  beforeAll(async () => {
    collector = await startScriptedProvider();
  });
  beforeEach(() => {
    collector.sent.length = 0;
    collector.answer({ body: '{}' });
  });
  afterAll(async () => {
    background.close();
    await collector.close();
  });

  let id = 0;
  const sink = (sampleRate: number) => ({
    ...createSpanExporter({
      collectors: [{ url: new URL(`${collector.url}/v1/traces`) }],
      resource: { 'service.name': 'tollgate' },
      send: background.send,
      clock: systemClock,
    }),
    sampleRate,
    randomHex: (bytes: number) => (++id).toString(16).padStart(bytes * 2, 'a'),
  });
  const received = (): OtlpSpan[] =>
    collector.sent.flatMap(({ path, headers, body }) => {
      expect(path).toBe('/v1/traces');
      expect(headers['content-type']).toBe('application/json');
      const { resourceSpans } = otlpRequestSchema.parse(body);
      return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
    });
  const named = (spans: readonly OtlpSpan[], name: string) =>
    spans.filter((span) => span.name === name);

  it('of a call lie under one root, which lies under the caller, each within its own time', async () => {
    const g = observe(gateway({ models: [model('sim-small', 'a+fault=500', 'b')] }), {
      spans: sink(1),
    });
    await g.call({ body: chat({ stream: true }), headers: { traceparent } });
    const spans = received();
    const [root] = named(spans, 'POST /v1/chat/completions');
    expect(root).toMatchObject({ traceId: TRACE, parentSpanId: PARENT, kind: 2, status: {} });
    const others = spans.filter((span) => span !== root);
    expect(others.map(({ name }) => name).sort()).toEqual([
      'chat a+fault=500',
      'chat b',
      'reserve',
      'settle',
      'usage event',
    ]);
    for (const span of others) {
      expect(span).toMatchObject({ traceId: TRACE, parentSpanId: root?.spanId });
      expect(BigInt(span.startTimeUnixNano)).toBeGreaterThanOrEqual(
        BigInt(root?.startTimeUnixNano ?? 0),
      );
      expect(BigInt(span.endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(span.startTimeUnixNano));
      expect(BigInt(span.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(root?.endTimeUnixNano ?? 0));
    }
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
    const [broken] = named(spans, 'chat a+fault=500');
    const [served] = named(spans, 'chat b');
    expect(broken).toMatchObject({ kind: 3, status: { code: 2, message: '500' } });
    expect(served).toMatchObject({ kind: 3, status: {} });
    for (const attempt of [broken, served])
      expect(attempt && attributesOf(attempt)).toMatchObject({
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'sim',
        'server.address': '127.0.0.1',
      });
  });

  it('last as long as what they stand for', async () => {
    const g = observe(
      gateway({ models: [model('sim-small', 'slow+ttft=150+tokens=40+tps=200')] }),
      {
        spans: sink(1),
      },
    );
    await g.call({ body: chat({ stream: true }) });
    const [attempt] = named(received(), 'chat slow+ttft=150+tokens=40+tps=200');
    const ns = Number(attempt?.endTimeUnixNano) - Number(attempt?.startTimeUnixNano);
    expect(ns / 1e6).toBeGreaterThan(250);
    expect(attempt && attributesOf(attempt)['gen_ai.response.time_to_first_chunk']).toBeGreaterThan(
      0.1,
    );
  });

  it('name the call, and hold no prompt, no answer and no key', async () => {
    const plain = gateway();
    const g = observe(plain, { spans: sink(1) });
    const { requestId, text } = await g.call({ body: chat() });
    const spans = received();
    const [root] = named(spans, 'POST /v1/chat/completions');
    expect(root && attributesOf(root)).toMatchObject({
      'tollgate.request.id': requestId,
      'http.response.status_code': 200,
      'gen_ai.request.model': 'sim-small',
      'gen_ai.usage.output_tokens': expect.any(Number),
      'tollgate.tenant': 'acme',
      'tollgate.outcome': 'ok',
    });
    expect(plain.events[0]?.trace_id).toBe(root?.traceId);
    const sent = JSON.stringify(collector.sent);
    expect(sent).not.toContain('CANARY');
    expect(sent).not.toContain(plain.key);
    expect(sent).not.toContain(JSON.parse(text).choices[0].message.content.slice(0, 20));
  });

  it.each([undefined, 'junk', `00-${'0'.repeat(32)}-${PARENT}-01`])(
    'begin a trace of their own where the caller sends %j',
    async (header) => {
      const g = observe(gateway(), { spans: sink(1) });
      await g.call({ body: chat(), headers: header === undefined ? {} : { traceparent: header } });
      const [root] = named(received(), 'POST /v1/chat/completions');
      expect(root?.parentSpanId).toBeUndefined();
      expect(root?.traceId).not.toContain(TRACE);
    },
  );

  it('of denials say who denied, and settle nothing', async () => {
    const g = observe(gateway({ limits: { team: { nanoUsdPerMonth: 1 } } }), { spans: sink(1) });
    const { status } = await g.call({ body: chat() });
    expect(status).toBe(429);
    const spans = received();
    const [reserve] = named(spans, 'reserve');
    expect(reserve && attributesOf(reserve)['tollgate.outcome']).toBe('refused');
    expect(named(spans, 'settle')).toEqual([]);
    expect(named(spans, 'POST /v1/chat/completions')[0]?.status).toEqual({});
  });

  it('are exported for the sample of traces, and for every call that failed', async () => {
    const g = observe(gateway({ models: [model('sim-small'), model('bad', 'x+fault=500')] }), {
      spans: sink(0),
    });
    await g.call({ body: chat() });
    expect(collector.sent).toEqual([]);
    await g.call({ body: chat({ model: 'bad' }) });
    const [root] = named(received(), 'POST /v1/chat/completions');
    expect(root?.status).toEqual({ code: 2, message: 'upstream_error' });
  });

  it('that no collector takes are told to operators and harm no call', async () => {
    collector.answer({ status: 503, body: 'no' });
    const plain = gateway();
    const { status } = await observe(plain, { spans: sink(1) }).call({ body: chat() });
    expect(status).toBe(200);
    expect(plain.reports.join()).toMatch(/spans not exported: Error: 127.0.0.1:\d+ answered 503/);
    expect(teamState(plain)).toMatchObject({ holds: 0, requests: 1 });
  });

  it.each([
    ['openai', {}, undefined],
    ['vllm', {}, expect.stringMatching(`^00-${TRACE}-[0-9a-f]{16}-01$`)],
  ] as const)('let %s know of the trace only where it is ours', async (kind, _no, expected) => {
    const upstream = await startScriptedProvider();
    const plain = gateway({ providerUrl: upstream.url, kind });
    await observe(plain, { spans: sink(1) }).call({ body: chat(), headers: { traceparent } });
    await upstream.close();
    expect(upstream.sent).toHaveLength(1);
    expect(upstream.sent[0]?.headers['traceparent']).toEqual(expected);
    if (expected === undefined) return;
    const attempt = received().find(({ kind: spanKind }) => spanKind === 3);
    expect(upstream.sent[0]?.headers['traceparent']).toContain(attempt?.spanId);
  });
});

describe('the trace store', () => {
  const kept = (g: ReturnType<typeof observe>) =>
    [...g.objects].map(([key, body]) => ({ key, body: JSON.parse(body) }));

  it('gets nothing where the policy does not say so', async () => {
    const g = observe(gateway());
    await g.call({ body: chat() });
    await g.call({ body: chat({ stream: true }) });
    expect(g.objects.size).toBe(0);
  });

  it('gets no word of prompt and answer in mode metadata', async () => {
    const plain = gateway();
    const g = observe(plain, { store: { mode: 'metadata', coldPercent: 1 } });
    const { requestId, text } = await g.call({ body: chat() });
    const [{ key, body } = { key: '', body: {} }] = kept(g);
    expect(key).toBe(`hot/acme/${requestId}.json`);
    expect(Object.keys(body).sort()).toEqual(['event', 'mode', 'request_bytes']);
    expect(body.event).toMatchObject({ request_id: requestId, outcome: 'ok' });
    const said = JSON.stringify(body);
    for (const word of [
      'CANARY',
      'ann@example.com',
      plain.key,
      JSON.parse(text).choices[0].message.content,
    ])
      expect(said).not.toContain(word);
  });

  const DIALECTS = [
    ['/v1/chat/completions', chat()],
    ['/v1/messages', { ...chat(), max_tokens: 50 }],
    ['/v1/responses', { model: 'sim-small', input: 'Hello CANARY, I am ann@example.com' }],
  ] as const;
  for (const [path, body] of DIALECTS)
    it.each([true, false])(
      `gets the redacted prompt and the answer of ${path}, stream: %s`,
      async (stream) => {
        const plain = gateway();
        const g = observe(plain, { store: { mode: 'full', coldPercent: 1 } });
        const { text, status } = await g.call({ path, body: { ...body, stream } });
        expect(status).toBe(200);
        const [{ body: record } = { body: {} }] = kept(g);
        const said = JSON.stringify(record);
        expect(JSON.stringify(record.request)).toContain('Hello CANARY, I am [email]');
        expect(said).not.toContain('ann@example.com');
        expect(said).not.toContain(plain.key);
        expect(record.is_truncated).toBe(false);
        const answer = stream
          ? record.answer.map((part: { text: string }) => part.text).join('')
          : said;
        const words = stream ? '' : text;
        expect(answer.length).toBeGreaterThan(20);
        if (!stream) expect(record.answer).toEqual(JSON.parse(words));
        expect(JSON.stringify(plain.events)).not.toContain('CANARY');
        expect(plain.reports).toEqual([]);
      },
    );

  it('gets a streamed answer as the text it makes, so that nothing hides between two events', async () => {
    const upstream = await startScriptedProvider();
    const events = ['My address is ann@', 'example.com, card 4111 1111', ' 1111 1111.'].map(
      (content) => ({
        id: 'c1',
        object: 'chat.completion.chunk',
        created: 1,
        model: 'm',
        choices: [{ index: 0, delta: { content }, finish_reason: null }],
      }),
    );
    const end = {
      id: 'c1',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'm',
      choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
    };
    const usage = {
      id: 'c1',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'm',
      choices: [],
      usage: { prompt_tokens: 5, completion_tokens: 9, total_tokens: 14 },
    };
    const text = [...events, end, usage]
      .map((event) => `data: ${JSON.stringify(event)}\n\n`)
      .join('');
    upstream.answer({
      headers: { 'content-type': 'text/event-stream' },
      body: `${text}data: [DONE]\n\n`,
    });
    const g = observe(gateway({ providerUrl: upstream.url }), {
      store: { mode: 'full', coldPercent: 1 },
    });
    const answer = await g.call({ body: chat({ stream: true }) });
    await upstream.close();
    expect(answer.text).toContain('ann@');
    const [{ body } = { body: {} }] = kept(g);
    expect(body.answer).toEqual([
      { at: 'choices.0.delta.content', text: 'My address is [email], card [card].' },
    ]);
  });

  it('gets what was sent before the caller left, and the books close', async () => {
    const plain = gateway({ models: [model('sim-small', 'sim-small+tokens=200')] });
    const g = observe(plain, { store: { mode: 'full', coldPercent: 1 } });
    for (const leavesAfter of [0, 1]) await g.call({ body: chat({ stream: true }), leavesAfter });
    expect(plain.events.map(({ outcome }) => outcome)).toHaveLength(2);
    expect(teamState(plain)).toMatchObject({ holds: 0, requests: 2 });
    expect(g.objects.size).toBeGreaterThanOrEqual(2);
  });

  it('that fails is told to operators and harms no call', async () => {
    const plain = gateway();
    const g = observe(plain, {
      store: { mode: 'full', coldPercent: 1 },
      put: async () => {
        throw new Error('S3 is out');
      },
    });
    const { status } = await g.call({ body: chat() });
    expect(status).toBe(200);
    expect(plain.reports).toEqual(['call record not stored: Error: S3 is out']);
    expect(teamState(plain)).toMatchObject({ holds: 0, requests: 1 });
    expect(plain.reports.join()).not.toContain('CANARY');
  });
});
