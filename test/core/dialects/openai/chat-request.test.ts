import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Provider } from '../../../../core/catalog/snapshot.ts';
import { chatCall } from '../../../../core/dialects/openai/chat-call.ts';
import { GatewayError } from '../../../../core/errors.ts';
import { PROVIDERS } from '../../../../core/providers/registry.ts';
import { bodyText } from '../../../support/body-text.ts';

const MESSAGES = [{ role: 'user', content: 'Hi' }];
const OPENAI: Provider = {
  id: 'openai',
  kind: 'openai',
  baseUrl: 'https://api.example.com',
  connectTimeoutMs: 1,
  firstByteTimeoutMs: 1,
  idleTimeoutMs: 1,
};

function parse(body: unknown) {
  return chatCall(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
}

function sent(body: Record<string, unknown>, provider: Provider = OPENAI, tenantId = 'acme') {
  const call = parse({ model: 'alias', messages: MESSAGES, ...body });
  const facts = {
    provider,
    dialect: call.dialect,
    apiKey: 'provider-secret',
    tenantId,
    priority: 'normal',
    cacheSecret: 'cache-secret',
  } as const;
  const { extra, request } = PROVIDERS[provider.kind];
  const target = { dialect: call.dialect, model: 'real-model', maxOutputTokens: 99 };
  const exchange = call.pass({ ...target, extra: extra?.(facts) ?? {} });
  return {
    ...request({ ...facts, ...target, stream: call.stream, requestId: 'req_1' }),
    body: exchange.body,
    json: JSON.parse(bodyText(exchange.body)),
  };
}

describe('what a provider is sent', () => {
  it('names its own model and a real maximum, under the name that the caller used', () => {
    expect(sent({}).json).toMatchObject({ model: 'real-model', max_completion_tokens: 99 });
    expect(sent({ max_tokens: 5 }).json).toMatchObject({ max_tokens: 99 });
    expect(sent({ max_tokens: 5 }).json).not.toHaveProperty('max_completion_tokens');
  });

  it('asks for usage in every stream, and keeps the other options', () => {
    expect(
      sent({ stream: true, stream_options: { include_obfuscation: false } }).json.stream_options,
    ).toEqual({ include_usage: true, include_obfuscation: false });
    expect(sent({}).json).not.toHaveProperty('stream_options');
  });

  it('keeps tools, formats and sampling as they came', () => {
    const body = {
      tools: [{ type: 'function', function: { name: 'f', parameters: { a: [1, { b: null }] } } }],
      temperature: 0.3,
      response_format: { type: 'json_object' },
      seed: 7,
    };
    expect(sent(body).json).toMatchObject(body);
  });

  it('leaves out what identifies callers or shares a cache between tenants', () => {
    const { json, body } = sent({
      metadata: { feature: 'secret-feature' },
      user: 'jane',
      prompt_cache_key: 'mine',
      store: true,
      safety_identifier: 'x',
    });
    expect(Object.keys(json).sort()).toEqual(['max_completion_tokens', 'messages', 'model']);
    expect(body).not.toContain('jane');
  });

  it('leaves nothing out without telling, but for what the gateway itself uses', () => {
    const dropped = (body: Record<string, unknown>) => {
      const target = { dialect: 'openai-chat', model: 'm', maxOutputTokens: 9, extra: {} } as const;
      return parse({ model: 'alias', messages: MESSAGES, ...body }).pass(target).dropped;
    };
    expect(dropped({ user: 'jane', metadata: {}, service_tier: 'auto', store: false })).toEqual([]);
    expect(dropped({ prompt_cache_key: 'mine', store: true })).toEqual([
      'store',
      'prompt_cache_key',
    ]);
  });

  it('calls the maximum what the provider calls it, where it knows one name only', () => {
    const call = parse({ model: 'alias', messages: MESSAGES, max_completion_tokens: 5 });
    const target = { dialect: call.dialect, model: 'm', maxOutputTokens: 5, extra: {} };
    const { body } = call.pass({ ...target, maxTokensField: 'max_tokens' });
    expect(JSON.parse(bodyText(body))).toEqual({ model: 'm', messages: MESSAGES, max_tokens: 5 });
  });

  it('carries the key in the authorization header alone', () => {
    const { url, headers, body } = sent({});
    expect(headers['authorization']).toBe('Bearer provider-secret');
    expect(url + body).not.toContain('provider-secret');
  });

  it('salts the prefix cache of vLLM by tenant, and callers cannot', () => {
    const vllm: Provider = { ...OPENAI, kind: 'vllm' };
    const salt = (tenant: string) => sent({}, vllm, tenant).json.cache_salt;
    expect(salt('a')).toHaveLength(43);
    expect(salt('a')).not.toBe(salt('b'));
    expect(salt('a')).toBe(salt('a'));
    expect(() => sent({ cache_salt: 'chosen' }, vllm)).toThrow(GatewayError);
  });
});

function deepContent(levels: number): Buffer {
  const content = '['.repeat(levels) + ']'.repeat(levels);
  return Buffer.from(`{"model":"m","messages":[{"role":"user","content":${content}}]}`);
}

describe('any body', () => {
  it('is a call or a refusal that names a field, never another exception', () => {
    const body = fc.oneof(
      fc.json(),
      fc.string(),
      fc.object({
        key: fc.constantFrom(
          'model',
          'messages',
          'stream',
          'max_tokens',
          'n',
          'tools',
          '__proto__',
          'metadata',
        ),
        maxDepth: 3,
      }),
    );
    fc.assert(
      fc.property(body, (value) => {
        try {
          parse(value);
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['invalid UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['a byte order mark', Buffer.from('\uFEFF{}')],
    ['100,000 levels that never end', Buffer.from('['.repeat(100_000))],
    ['100,000 levels', deepContent(100_000)],
  ])('of %s is refused', (_name, bytes) => {
    expect(() => chatCall(bytes)).toThrow(GatewayError);
  });

  it('with a duplicate key means its last value, here and upstream', () => {
    const call = parse('{"model":"a","model":"b","messages":[{"role":"user","content":"Hi"}]}');
    expect(call.alias).toBe('b');
  });
});
