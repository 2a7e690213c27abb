import { describe, expect, it } from 'vitest';
import type { Provider } from '../../../core/catalog/snapshot.ts';
import type { Call, Target } from '../../../core/dialects/call.ts';
import type { Conversation, ImagePart, Part } from '../../../core/dialects/conversation.ts';
import { openExchange } from '../../../core/dialects/exchange.ts';
import { chatCall } from '../../../core/dialects/openai/chat-call.ts';
import { vllm } from '../../../core/providers/vllm/adapter.ts';
import type { Priority } from '../../../core/tenancy/priority.ts';
import { bodyText } from '../../support/body-text.ts';

const GPUS: Provider = {
  id: 'gpus',
  kind: 'vllm',
  baseUrl: 'http://vllm.internal:8000',
  connectTimeoutMs: 1,
  firstByteTimeoutMs: 1,
  idleTimeoutMs: 1,
};
const SECRET = 'a secret that nobody can guess';

function extra(
  given: {
    tenantId?: string;
    cacheSecret?: string | undefined;
    schedulesByPriority?: boolean;
    priority?: Priority;
  } = {},
) {
  const { schedulesByPriority = false, priority = 'normal', tenantId = 'acme' } = given;
  const cacheSecret = 'cacheSecret' in given ? given.cacheSecret : SECRET;
  const provider = { ...GPUS, schedulesByPriority };
  return vllm.extra?.({ provider, dialect: 'openai-chat', tenantId, priority, cacheSecret }) ?? {};
}

const target = (): Target => ({
  dialect: 'openai-chat',
  model: 'my-lora-adapter',
  maxOutputTokens: 99,
  extra: extra(),
  ...(vllm.chatRules === undefined ? {} : { chatRules: vllm.chatRules }),
});

function passed(body: Record<string, unknown>) {
  const messages = [{ role: 'user', content: 'x' }];
  const call = chatCall(Buffer.from(JSON.stringify({ model: 'alias', messages, ...body })));
  const { body: sent, dropped } = call.pass(target());
  return { sent: JSON.parse(bodyText(sent)), dropped };
}

describe("a tenant's salt", () => {
  const salts = (tenants: readonly string[], cacheSecret = SECRET) =>
    tenants.map((tenantId) => String(extra({ tenantId, cacheSecret })['cache_salt']));

  it('is its own, always the same, of 256 bits, and changes with the secret', () => {
    const tenants = Array.from({ length: 1_000 }, (_, index) => `tenant-${index}`);
    const first = salts(tenants);
    expect(new Set(first).size).toBe(tenants.length);
    expect(salts(tenants)).toEqual(first);
    expect(salts(['acme'], 'another secret that nobody can guess')).not.toEqual(salts(['acme']));
    expect(Buffer.from(first[0] ?? '', 'base64url')).toHaveLength(32);
  });

  it('tells nothing of the tenant or the secret', () => {
    expect(salts(['acme'])[0]).not.toMatch(/acme|secret/);
  });

  it.each([undefined, ''])('is never made without a secret: no call instead', (cacheSecret) => {
    expect(() => extra({ cacheSecret })).toThrow('upstream_misconfigured');
  });

  it('cannot be chosen by a caller', () => {
    expect(() => passed({ cache_salt: 'mine' })).toThrow("'cache_salt'");
    expect(passed({}).sent['cache_salt']).toBe(salts(['acme'])[0]);
  });
});

describe("a call's priority", () => {
  it('goes to a server that schedules by it, lower numbers first', () => {
    const numbers = (['high', 'normal', 'low'] as const).map((priority) =>
      Number(extra({ priority, schedulesByPriority: true })['priority']),
    );
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(numbers[1]).toBe(0);
  });

  it('goes to no other, which would refuse it', () => {
    expect(extra({ priority: 'high' })).not.toHaveProperty('priority');
  });
});

describe('a chat request to vLLM', () => {
  it('names the LoRA adapter as its model and keeps what vLLM knows', () => {
    const body = {
      temperature: 0.1,
      seed: 3,
      logit_bias: { 1: 2 },
      response_format: { type: 'text' },
    };
    expect(passed(body)).toEqual({
      sent: expect.objectContaining({ ...body, model: 'my-lora-adapter' }),
      dropped: [],
    });
  });

  it('leaves out what vLLM does not know and only tunes, by name', () => {
    const { sent, dropped } = passed({ verbosity: 'low', modalities: ['text'], user: 'ann' });
    expect([...dropped].sort()).toEqual(['modalities', 'verbosity']);
    for (const field of ['verbosity', 'modalities', 'user']) expect(sent).not.toHaveProperty(field);
  });

  it.each([{ functions: [{ name: 'f' }] }, { function_call: 'auto' }])(
    'is refused where it would mean something else: %j',
    (body) => {
      expect(() => passed(body)).toThrow(Object.keys(body)[0]);
    },
  );

  it('asks for the usage once and not with every event', () => {
    expect(passed({ stream: true }).sent['stream_options']).toEqual({ include_usage: true });
    expect(() =>
      passed({ stream: true, stream_options: { continuous_usage_stats: true } }),
    ).toThrow('continuous_usage_stats');
  });

  const content = (part: unknown) => ({ messages: [{ role: 'user', content: [part] }] });
  it.each([
    { type: 'image_url', image_url: { url: 'http://169.254.169.254/latest/meta-data' } },
    { type: 'image_url', image_url: 'https://example.com/a.png' },
    { type: 'image_url', image_url: { url: 'file:///etc/passwd' } },
    { type: 'image_url', image_url: {} },
    { type: 'image_url', image_url: null },
    { image_url: { url: 'https://example.com/a.png' } },
    { type: 'text', text: 'x', video_url: { url: 'https://example.com/a.mp4' } },
    { type: 'video_url', video_url: { url: 'https://example.com/a.mp4' } },
    { type: 'audio_url', audio_url: { url: 'https://example.com/a.mp3' } },
  ])('never makes the server connect to an address: %j', (part) => {
    expect(() => passed(content(part))).toThrow(
      expect.objectContaining({ code: 'invalid_request', param: 'messages' }),
    );
  });

  it('takes images as data', () => {
    const part = { type: 'image_url', image_url: { url: 'data:image/png;base64,eA==' } };
    expect(passed(content(part)).sent.messages[0].content).toEqual([part]);
  });

  it('never makes the server connect to an address in a call of another dialect either', async () => {
    // Whatever dialect it is written in: the rule is the server's.
    const foreign: Target = { ...target(), dialect: 'bedrock-converse' };
    const image: ImagePart = { kind: 'image', source: { kind: 'url', url: 'http://10.0.0.1/' } };
    const result: Part = { kind: 'tool-result', callId: 'a', content: [image], isError: false };
    for (const part of [image, result])
      await expect(openExchange(foreignCall(part), foreign, CONTEXT)).rejects.toThrow('data: URLs');
  });
});

const CONTEXT = { requestId: 'req_1', model: 'alias', createdAtSeconds: 0 };

/** A call of another dialect whose translation says one part; it never comes to be written. */
function foreignCall(part: Part): Call {
  const conversation: Conversation = {
    system: [],
    turns: [{ role: 'user', parts: [part] }],
    tools: [],
    stop: [],
    others: {},
  };
  const unused = (): never => {
    throw new TypeError('not to be reached');
  };
  return {
    ...chatCall(Buffer.from('{"model":"alias","messages":[{"role":"user","content":"x"}]}')),
    dialect: 'anthropic-messages',
    translation: { conversation: () => conversation, encoder: unused, render: unused },
  };
}
