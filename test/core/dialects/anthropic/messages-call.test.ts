import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  countTokensCall,
  messagesCall,
} from '../../../../core/dialects/anthropic/messages-call.ts';
import { GatewayError } from '../../../../core/errors.ts';
import { bodyText } from '../../../support/body-text.ts';

const BODY = {
  model: 'alias',
  max_tokens: 100,
  messages: [{ role: 'user', content: 'Hi' }],
};

function call(extra: Record<string, unknown> = {}, headers: Record<string, string> = {}) {
  return messagesCall(Buffer.from(JSON.stringify({ ...BODY, ...extra })), headers);
}

function refusal(extra: Record<string, unknown>): GatewayError | undefined {
  try {
    call(extra);
  } catch (thrown) {
    if (thrown instanceof GatewayError) return thrown;
    throw thrown;
  }
  return undefined;
}

function content(...blocks: unknown[]) {
  return { messages: [{ role: 'user', content: blocks }] };
}

const TARGET = {
  dialect: 'anthropic-messages',
  model: 'claude-x',
  maxOutputTokens: 100,
  extra: {},
} as const;

const PNG = { type: 'base64', media_type: 'image/png', data: 'AAAA' };
const TOOL = { name: 'look', input_schema: { type: 'object' } };

describe('a messages request', () => {
  it.each<[string, Record<string, unknown>]>([
    [
      'system blocks',
      {
        system: [
          { type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral', ttl: '1h' } },
        ],
      },
    ],
    ['an image', content({ type: 'image', source: PNG })],
    [
      'an image by address',
      content({ type: 'image', source: { type: 'url', url: 'https://a/b.png' } }),
    ],
    [
      'a document of text',
      content({ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'x' } }),
    ],
    ['tools', { tools: [TOOL], tool_choice: { type: 'auto', disable_parallel_tool_use: true } }],
    ['thinking', { thinking: { type: 'enabled', budget_tokens: 1024 } }],
    [
      'adaptive thinking',
      { thinking: { type: 'adaptive', display: 'omitted' }, output_config: { effort: 'max' } },
    ],
    [
      'a schema',
      { output_config: { format: { type: 'json_schema', schema: { type: 'object' } } } },
    ],
    [
      'a system message within',
      {
        messages: [
          { role: 'user', content: 'Hi' },
          { role: 'system', content: 'Be brief.' },
        ],
      },
    ],
    [
      'edits that spare tokens',
      { context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] } },
    ],
    ['sampling', { temperature: 1, top_p: 0.5, top_k: 3, stop_sequences: ['###'] }],
  ])('with %s is read', (_, extra) => {
    expect(refusal(extra)).toBeUndefined();
  });

  it.each<[string, Record<string, unknown>]>([
    ['max_tokens', { max_tokens: undefined }],
    ['max_tokens', { max_tokens: 0 }],
    ['max_tokens', { max_tokens: 1.5 }],
    ['temperature', { temperature: 1.1 }],
    ['temperature', { temperature: 'hot' }],
    ['stream', { stream: 'true' }],
    ['n', { n: 2 }],
    ['cache_salt', { cache_salt: 'x' }],
    ['mcp_servers', { mcp_servers: [{ type: 'url', url: 'https://evil' }] }],
    ['container', { container: 'c' }],
    ['inference_geo', { inference_geo: 'us' }],
    ['speed', { speed: 'fast' }],
    ['diagnostics', { diagnostics: { previous_message_id: 'msg_1' } }],
    [
      'context_management.edits.0.type',
      { context_management: { edits: [{ type: 'compact_20260112' }] } },
    ],
    ['tools.0.type', { tools: [{ type: 'web_search_20250305', name: 'web_search', max_uses: 1 }] }],
    ['tools.1.type', { tools: [TOOL, { type: 'code_execution_20250825', name: 'c' }] }],
    ['messages', { messages: [] }],
    [
      'messages.0.content.0.source.type',
      content({ type: 'document', source: { type: 'url', url: 'https://a/b.pdf' } }),
    ],
    [
      'messages.0.content.0.source.type',
      content({
        type: 'document',
        source: { type: 'base64', media_type: 'application/pdf', data: 'A' },
      }),
    ],
    [
      'messages.0.content.0.source.type',
      content({ type: 'image', source: { type: 'file', file_id: 'f' } }),
    ],
    [
      'messages.0.content.0.content.0.source.type',
      content({
        type: 'tool_result',
        tool_use_id: 't',
        content: [{ type: 'document', source: { type: 'url', url: 'https://a' } }],
      }),
    ],
    ['messages.0.content.0.type', content({ type: 'container_upload', file_id: 'f' })],
    ['metadata.user_id', { metadata: { user_id: 'x'.repeat(257) } }],
  ])('is refused for its %s', (param, extra) => {
    const error = refusal(extra);
    expect(error).toMatchObject({ code: 'invalid_request', param });
    expect(error?.publicMessage).toContain(param);
  });

  it.each(['', '[]', 'null', '3', '{"model":', '{"__proto__":{"model":"x"}}'])(
    'that is %j is refused',
    (text) => {
      expect(() => messagesCall(Buffer.from(text), {})).toThrow(GatewayError);
    },
  );

  it('of any JSON is read or refused, and its bytes come to the provider or nowhere', () => {
    const key = fc.constantFrom(
      'model',
      'messages',
      'system',
      'tools',
      'max_tokens',
      'thinking',
      'role',
      'content',
      'type',
      'source',
      'text',
      '__proto__',
      'constructor',
      'output_config',
    );
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom(
          'text',
          'image',
          'document',
          'tool_result',
          'user',
          'enabled',
          'custom',
          'base64',
          1,
          null,
          true,
          -1,
        ),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc
          .array(fc.tuple(key, tie('tree')), { maxLength: 4 })
          .map((entries) => Object.fromEntries(entries)),
      ),
    }));
    fc.assert(
      fc.property(fc.dictionary(key, tree, { maxKeys: 5 }), fc.boolean(), (odd, isWhole) => {
        const bytes = Buffer.from(JSON.stringify(isWhole ? { ...BODY, ...odd } : odd));
        try {
          const made = messagesCall(bytes, {});
          expect(made.tokensBesideText).toBeGreaterThanOrEqual(0);
          expect(made.estimatedInputTokens()).toBeGreaterThan(0);
          JSON.parse(bodyText(made.pass(TARGET).body));
          made.translation?.conversation();
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'invalid_request' });
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('does not quote the prompt when it is refused', () => {
    const error = refusal({
      messages: [{ role: 'user', content: [{ type: 'CANARY', text: 'CANARY' }] }],
    });
    expect(`${error?.message} ${String(error?.cause)}`).not.toContain('CANARY');
  });

  it('bounds what its bytes do not: images, wherever they are, and what tools add', () => {
    const image = { type: 'image', source: PNG };
    const result = { type: 'tool_result', tool_use_id: 't', content: [image, image] };
    expect(call().tokensBesideText).toBe(0);
    expect(call({ tools: [] }).tokensBesideText).toBe(0);
    expect(call({ tools: [TOOL] }).tokensBesideText).toBeGreaterThanOrEqual(804);
    expect(call(content(image, result)).tokensBesideText).toBeGreaterThanOrEqual(3 * 8_464);
    const bash = { type: 'bash_20250124', name: 'bash' };
    expect(call({ tools: [bash] }).tokensBesideText).toBeGreaterThanOrEqual(804 + 700);
  });

  it.each<[string, Record<string, unknown>]>([
    ['none', {}],
    ['5m', { cache_control: { type: 'ephemeral' } }],
    [
      '5m',
      { system: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral', ttl: '5m' } }] },
    ],
    ['1h', { tools: [{ ...TOOL, cache_control: { type: 'ephemeral', ttl: '1h' } }] }],
    [
      '1h',
      content(
        { type: 'text', text: 'x', cache_control: { type: 'ephemeral' } },
        {
          type: 'tool_result',
          tool_use_id: 't',
          content: [{ type: 'text', text: 'y', cache_control: { type: 'ephemeral', ttl: '1h' } }],
        },
      ),
    ],
  ])('knows that its marks can make the provider write for %s', (longest, extra) => {
    expect(call(extra)).toMatchObject({ cacheWrites: longest });
  });

  it('tells the end user from the metadata, which stays here', () => {
    const made = call({ metadata: { user_id: 'ann' } });
    expect(made.endUser).toBe('ann');
    expect(made.pass(TARGET).body).not.toContain('ann');
  });
});

describe('a body for a provider of the dialect', () => {
  it('is what the caller sent, in its order, but for the model', () => {
    const { max_tokens, messages } = BODY;
    const sent = {
      stream: true,
      tools: [{ input_schema: {}, name: 'b' }],
      messages,
      max_tokens,
      model: 'alias',
    };
    const made = messagesCall(Buffer.from(JSON.stringify(sent)), {});
    expect(made.pass(TARGET).body).toBe(JSON.stringify({ ...sent, model: 'claude-x' }));
  });

  it('has a smaller maximum where the call was clamped, and the gateway’s own fields', () => {
    const { body } = call().pass({ ...TARGET, maxOutputTokens: 7, extra: { own: 1 } });
    expect(JSON.parse(bodyText(body))).toMatchObject({ max_tokens: 7, own: 1 });
  });

  it('lets a model think no longer than a smaller maximum allows', () => {
    const thinking = { type: 'enabled', budget_tokens: 8_000 };
    const sent = (maxOutputTokens: number) =>
      JSON.parse(
        bodyText(call({ max_tokens: 9_000, thinking }).pass({ ...TARGET, maxOutputTokens }).body),
      );
    expect(sent(9_000).thinking).toEqual(thinking);
    expect(sent(4_000)).toMatchObject({ max_tokens: 4_000, thinking: { budget_tokens: 3_999 } });
  });

  it('leaves out thinking that no Claude model signed', () => {
    const unsigned = { type: 'thinking', thinking: 'Hm.', signature: '' };
    const signed = { type: 'thinking', thinking: 'Hm.', signature: 's' };
    const answer = { type: 'text', text: 'Hi' };
    const messages = [...BODY.messages, { role: 'assistant', content: [unsigned, signed, answer] }];
    const { body } = call({ messages }).pass(TARGET);
    expect(JSON.parse(bodyText(body)).messages[1].content).toEqual([signed, answer]);
  });

  it('goes with the betas that change neither price nor reach', () => {
    const header = 'interleaved-thinking-2025-05-14, context-1m-2025-08-07,bad\r\nx: y';
    const made = call({}, { 'anthropic-beta': header });
    expect(made.headers).toEqual({ 'anthropic-beta': 'interleaved-thinking-2025-05-14' });
    expect(made.pass(TARGET).dropped).toEqual(['anthropic-beta:context-1m-2025-08-07']);
    expect(call().headers).toEqual({});
  });
});

describe('a count of tokens', () => {
  it('needs no maximum and is estimated rather too high', () => {
    const text = 'The quick brown fox jumps over the lazy dog. '.repeat(20);
    const body = { model: 'm', messages: [{ role: 'user', content: text }] };
    const made = countTokensCall(Buffer.from(JSON.stringify(body)), {});
    expect(made.task).toBe('count-tokens');
    // 200 tokens of o200k; the newest Claude models make up to 1.35 times as many.
    const { input_tokens } = JSON.parse(made.ownAnswer?.() ?? '{}');
    expect(input_tokens).toBeGreaterThan(270);
    expect(input_tokens).toBeLessThan(400);
  });

  it('does not take the data of images for text', () => {
    const image = { type: 'image', source: { ...PNG, data: 'A'.repeat(1_000_000) } };
    const body = { model: 'm', ...content(image) };
    const made = countTokensCall(Buffer.from(JSON.stringify(body)), {});
    expect(JSON.parse(made.ownAnswer?.() ?? '{}').input_tokens).toBeLessThan(13_000);
  });
});
