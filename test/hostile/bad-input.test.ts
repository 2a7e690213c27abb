import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type SimulatedProvider,
  startSimulatedProvider,
} from '../../local/simulated-provider/simulated-provider.ts';
import { createTestGateway, type TestGateway } from '../support/gateway.ts';
import { CHAT, COUNT, EMBEDDINGS, expectCleanError, MESSAGES, RESPONSES } from './dialects.ts';

let provider: SimulatedProvider;
let g: TestGateway;
beforeAll(async () => {
  provider = await startSimulatedProvider({ speed: { ttftMs: 0 } });
  g = createTestGateway({ providerUrl: provider.url });
});
afterAll(async () => {
  g.close();
  await provider.close();
});

type Prompt = typeof CHAT;
const ENDPOINTS: readonly Prompt[] = [CHAT, MESSAGES, RESPONSES, EMBEDDINGS, COUNT];
const LONGEST_MS = 5_000;

/** Sends it, and holds the answer to what every answer to bad input must be. */
async function send(
  { path, dialect }: Prompt,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
) {
  const startMs = performance.now();
  const answer = await g.call({ method: 'POST', path, body, headers });
  await answer.closed;
  expect(performance.now() - startMs).toBeLessThan(LONGEST_MS);
  expect({ body: printable(body), isOurFault: answer.status >= 500 }).toEqual({
    body: printable(body),
    isOurFault: false,
  });
  if (answer.status !== 200) expectCleanError(answer, dialect);
  return answer;
}

function printable(body: string | Uint8Array): string {
  return Buffer.from(body).toString('latin1').slice(0, 200);
}

function paramOf(answer: { text: string }): string | null | undefined {
  return JSON.parse(answer.text).error.param;
}

const deep = (open: string, close: string, levels: number) =>
  open.repeat(levels) + close.repeat(levels);
const nested = deep('[', ']', 100_000);

describe.each(ENDPOINTS)('a body to $path', (endpoint) => {
  const good = JSON.stringify(endpoint.body);
  const within = (json: string) => `${good.slice(0, -1)},${json}}`;

  it.each<[string, string | Uint8Array]>([
    ['nothing', ''],
    ['white space', ' \n'],
    ['cut JSON', good.slice(0, -1)],
    ['two documents', good + good],
    ['a literal NaN', within('"temperature":NaN')],
    ['a literal Infinity', within('"temperature":-Infinity')],
    ['a byte order mark', `\uFEFF${good}`],
    ['invalid UTF-8', Buffer.from(good.replace('Hi', '\xff\xc3('), 'latin1')],
    ['an overlong encoding', Buffer.from(good.replace('Hi', '\xc0\xaf'), 'latin1')],
    ['UTF-16', Buffer.from(good, 'utf16le')],
    ['a control character in a string', good.replace('Hi', 'H\u0000i')],
    ['a trailing comma', `${good.slice(0, -1)},}`],
    ['a comment', `/* hello */${good}`],
    ['single quotes', good.replaceAll('"', "'")],
    ['a hundred thousand levels of lists', nested],
    ['a hundred thousand levels of objects', deep('{"a":', '}', 100_000)],
    ['a deep value of a field', within(`"metadata":${nested}`)],
    ['null', 'null'],
    ['a number', '42'],
    ['a string', '"Hi"'],
    ['a list', `[${good}]`],
    ['an empty object', '{}'],
    ['a form', 'model=sim-small&messages=Hi'],
    ['XML with an entity', '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'],
    ['gzip', Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0])],
  ])('that is %s is refused', async (_, body) => {
    expect((await send(endpoint, body)).status).toBe(400);
  });

  it('with a name twice means the last one, to the gateway and to the provider', async () => {
    const twice = `{"model":"no-such-model",${good.slice(1)}`;
    expect((await send(endpoint, twice)).status).toBe(200);
    expect((await send(endpoint, within('"model":"no-such-model"'))).status).toBe(404);
  });

  it('with a lone surrogate is text like any other', async () => {
    expect((await send(endpoint, good.replace('Hi', '\\ud800'))).status).toBe(200);
    expect((await send(endpoint, within('"model":"\\ud800"'))).status).toBe(404);
  });

  it.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'])(
    'with a field %s is refused by its name and changes no other object',
    async (name) => {
      const answer = await send(endpoint, within(`"${name}":{"polluted":true}`));
      expect(answer.status).toBe(400);
      expect(answer.text).toContain(name);
      expect(Object.keys(Object.prototype)).toEqual([]);
      expect(Reflect.get({}, 'polluted')).toBeUndefined();
    },
  );

  it.each(['__proto__', 'constructor', 'sim-small/../admin', 'x'.repeat(256), '🙂'.repeat(50)])(
    'with %s for a model names none',
    async (model) => {
      const answer = await send(endpoint, JSON.stringify({ ...endpoint.body, model }));
      expect(answer.status).toBe(404);
    },
  );

  it('larger than the bound is refused by its size', async () => {
    const answer = await send(endpoint, good.replace('Hi', 'a'.repeat(12_000_000)));
    expect(answer.status).toBe(413);
    expect(answer.text).toMatch(/larger than \d+ bytes/);
  });
});

const WRONG = [
  ...['true', '"hot"', '-1', '0', '1.5', '9223372036854775808', '1e309', '-0', '[]', '{}', '[[]]'],
  ...['{"__proto__":{"a":1}}', '[null]', '""', '"\\ud800"', '"\\u0000"', '[1e309]', '"true"'],
];

/** A star marks the fields whose values the gateway leaves to the provider to judge. */
const FIELDS: readonly (readonly [Prompt, readonly string[]])[] = [
  [
    CHAT,
    [
      ...['model', 'messages', 'stream', 'stream_options', 'max_tokens', 'max_completion_tokens'],
      ...['n', 'metadata', 'temperature', 'top_p', 'frequency_penalty', 'presence_penalty', 'seed'],
      ...['logprobs', 'top_logprobs', 'parallel_tool_calls', 'user', 'tools', 'modalities'],
      ...['service_tier', 'store', 'stop*', 'logit_bias*', 'response_format*', 'tool_choice*'],
      ...['functions*', 'function_call*', 'reasoning_effort*', 'verbosity*', 'safety_identifier*'],
      ...['prompt_cache_key*', 'prompt_cache_retention*', 'prompt_cache_options*'],
    ],
  ],
  [
    MESSAGES,
    [
      ...['model', 'messages', 'system', 'tools', 'tool_choice', 'thinking', 'output_config'],
      ...['output_format', 'context_management', 'speed', 'cache_control', 'max_tokens', 'stream'],
      ...['stop_sequences', 'temperature', 'top_p', 'top_k', 'metadata', 'service_tier'],
      ...['container', 'mcp_servers', 'inference_geo', 'fallbacks'],
    ],
  ],
  [
    RESPONSES,
    [
      ...['model', 'input', 'instructions', 'stream', 'stream_options', 'max_output_tokens'],
      ...['max_tool_calls', 'metadata', 'temperature', 'top_p', 'top_logprobs', 'tools'],
      ...['tool_choice', 'parallel_tool_calls', 'text', 'reasoning', 'include', 'truncation'],
      ...['service_tier', 'user', 'store', 'background*', 'conversation*', 'prompt*'],
      ...['previous_response_id*', 'safety_identifier*', 'prompt_cache_key*'],
    ],
  ],
  [EMBEDDINGS, ['model', 'input', 'dimensions', 'encoding_format', 'user']],
  [COUNT, ['model', 'messages', 'system', 'tools', 'tool_choice', 'thinking', 'output_config']],
];

describe.each(FIELDS.flatMap(([endpoint, fields]) => fields.map((field) => ({ endpoint, field }))))(
  'the field $field of $endpoint.path',
  ({ endpoint, field }) => {
    it('of a wrong type or out of its range is named, or is the provider’s to judge', async () => {
      const name = field.replace('*', '');
      for (const value of WRONG) {
        const { [name]: _own, ...others } = endpoint.body;
        const body = `${JSON.stringify(others).slice(0, -1)},"${name}":${value}}`;
        const answer = await send(endpoint, body);
        if (answer.status !== 400 || field.endsWith('*')) continue;
        const { code } = answer.json().error ?? {};
        if (code === 'upstream_rejected') continue;
        const named = endpoint.dialect === 'openai' ? paramOf(answer) : answer.text;
        expect({ value, named }).toEqual({ value, named: expect.stringContaining(name) });
      }
    });
  },
);

describe('too much of one thing', () => {
  const message = { role: 'user', content: 'a' };
  const many = <T>(count: number, item: T) => Array.from({ length: count }, () => item);
  const tags = Object.fromEntries(many(200_000, 0).map((_, index) => [`t${index}`, 'v']));

  it.each<[string, Prompt, string, Record<string, unknown>]>([
    ['messages', CHAT, 'messages', { messages: many(100_000, message) }],
    ['messages', MESSAGES, 'messages', { messages: many(100_000, message) }],
    ['items', RESPONSES, 'input', { input: many(100_000, message) }],
    ['inputs', EMBEDDINGS, 'input', { input: many(100_000, 'a') }],
    ['choices', CHAT, 'n', { n: 1e9 }],
    ['stops', MESSAGES, 'stop_sequences', { stop_sequences: many(100_000, 'a') }],
    ['tools', CHAT, 'tools', { tools: many(100_000, { type: 'function' }) }],
    ['tags', CHAT, 'metadata', { metadata: tags }],
    ['tags', RESPONSES, 'metadata', { metadata: tags }],
    ['letters of a tag', CHAT, 'metadata', { metadata: { a: 'b'.repeat(513) } }],
    ['letters of a user', CHAT, 'user', { user: 'u'.repeat(3_000) }],
    ['letters of a model', MESSAGES, 'model', { model: 'm'.repeat(3_000) }],
  ])('%s of %o are refused by the name of the field', async (_, endpoint, field, extra) => {
    const answer = await send(endpoint, JSON.stringify({ ...endpoint.body, ...extra }));
    expect(answer.status).toBe(400);
    expect(answer.text).toContain(field);
  });

  it('stops are bounded by the provider alone, and by the size of the body', async () => {
    const answer = await send(CHAT, JSON.stringify({ ...CHAT.body, stop: many(100_000, 'a') }));
    expect(answer.status).toBe(400);
  });
});

const IDENTIFIERS = [
  ...['a#b', 'TENANT#B', '../../admin', 'a\r\nset-cookie: b=c', 'a\u0000b', '🙂'.repeat(50)],
  ...["' OR 1=1 --", '=cmd|calc', '$\u007Bjndi:ldap://x}', '{{7*7}}', '\ud800', '%00', 'a/b', '.'],
  ...['__proto__', 'constructor', '<script>', 'x'.repeat(3_000), '\u202Eevil', ' ', ''],
];

describe.each(IDENTIFIERS.map((id) => [JSON.stringify(id).slice(0, 40), id]))(
  'the identifier %s',
  (_, id) => {
    it('is a tag, a user, a tool or nothing: it never breaks the gateway', async () => {
      const tool = { type: 'function', function: { name: id, parameters: { type: 'object' } } };
      for (const extra of [
        { metadata: { user_id: id } },
        { metadata: { [id]: 'v' } },
        { user: id },
        { tools: [tool] },
        { messages: [{ role: 'user', name: id, content: id }] },
      ])
        await send(CHAT, JSON.stringify({ ...CHAT.body, ...extra }));
      await send(MESSAGES, JSON.stringify({ ...MESSAGES.body, metadata: { user_id: id } }));
      await send(RESPONSES, JSON.stringify({ ...RESPONSES.body, user: id, metadata: { id } }));
    });

    it.each(['x-tollgate-tags', 'x-tollgate-priority', 'anthropic-beta', 'x-stainless-timeout'])(
      'in the header %s breaks nothing',
      async (header) => {
        for (const value of [id, `feature=${id}`, `${id}=a`, `a=b,,=,${id}`])
          await send(CHAT, JSON.stringify(CHAT.body), { [header]: value });
      },
    );

    it('in a path names nothing', async () => {
      for (const path of [`/v1/models/${id}`, `/v1/requests/${id}/cancel`, `/v1/${id}`, id])
        for (const method of ['GET', 'POST', id.slice(0, 30)]) {
          const answer = await g.call({ method, path });
          expect(answer.status).toBeGreaterThanOrEqual(400);
          expect(answer.status).toBeLessThan(500);
          expectCleanError(answer, 'openai');
        }
    });
  },
);

describe('a credential', () => {
  it.each<[string, (key: string) => Record<string, string>]>([
    ['missing', () => ({ authorization: '' })],
    ['Basic', (key) => ({ authorization: `Basic ${btoa(`:${key}`)}` })],
    ['in a cookie', (key) => ({ authorization: '', cookie: `authorization=Bearer ${key}` })],
    ['a letter short', (key) => ({ authorization: `Bearer ${key.slice(0, -1)}` })],
    ['a letter long', (key) => ({ authorization: `Bearer ${key}a` })],
    ['in another case', (key) => ({ authorization: `Bearer ${key.toUpperCase()}` })],
    ['with a letter changed', (key) => ({ authorization: `Bearer ${key.slice(0, -1)}_` })],
    ['of nine kilobytes', () => ({ authorization: `Bearer tg_${'a'.repeat(9_000)}` })],
    ['a JWT that signs nothing', () => ({ authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' })],
    ['__proto__', () => ({ authorization: 'Bearer __proto__' })],
    ['constructor', () => ({ authorization: 'Bearer constructor' })],
    ['SQL', () => ({ authorization: "Bearer ' OR '1'='1" })],
    ['twice in one header', (key) => ({ authorization: `Bearer ${key}, Bearer ${key}` })],
    ['two that differ', () => ({ 'x-api-key': 'tg_another' })],
    ['with a NUL', (key) => ({ authorization: `Bearer ${key}\u0000` })],
    ['with a line break', (key) => ({ authorization: `Bearer ${key}\n` })],
  ])('%s is refused in the caller’s dialect, and without itself', async (_, headersOf) => {
    for (const endpoint of ENDPOINTS) {
      const answer = await send(endpoint, JSON.stringify(endpoint.body), headersOf(g.key));
      expect(answer.status).toBe(401);
      expect(answer.text).not.toContain(g.key.slice(3, 20));
    }
  });

  it('in the query is none', async () => {
    const answer = await g.call({
      method: 'POST',
      path: CHAT.path,
      body: CHAT.body,
      headers: { authorization: '' },
      query: { api_key: g.key, key: g.key, authorization: `Bearer ${g.key}` },
    });
    expect(answer.status).toBe(401);
  });
});
