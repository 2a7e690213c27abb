import { describe, expect, it } from 'vitest';
import { messagesCall } from '../../../../core/dialects/anthropic/messages-call.ts';
import type { Call } from '../../../../core/dialects/call.ts';
import { dialectFor, openExchange } from '../../../../core/dialects/exchange.ts';
import { GatewayError } from '../../../../core/errors.ts';
import { bodyText } from '../../../support/body-text.ts';
import { accumulated } from './sse-text.ts';
import { STREAMS, streamOf } from './streams.ts';

const TARGET = {
  dialect: 'anthropic-messages',
  model: 'claude-sonnet-4-6',
  maxOutputTokens: 100,
  extra: { own: 1 },
} as const;
const CONTEXT = { requestId: 'req_1', model: 'alias', createdAtSeconds: 0 };

/** A call that says it came in another dialect, so that it is translated although both sides are Anthropic's. */
function foreign(extra: Record<string, unknown> = {}): Call {
  const body = { model: 'alias', max_tokens: 100, messages: [{ role: 'user', content: 'Hi' }] };
  const call = messagesCall(Buffer.from(JSON.stringify({ ...body, ...extra })), {});
  return { ...call, dialect: 'openai-responses' };
}

async function translated(bytes: Buffer) {
  const stream = (await openExchange(foreign(), TARGET, CONTEXT)).stream();
  const text = stream.push(bytes).toString('utf8');
  return { stream, text };
}

describe('a translated exchange', () => {
  it.each(STREAMS)('tells the stream of %s to the caller', async (name) => {
    const { stream, text } = await translated(streamOf(name));
    const said = await accumulated(text);
    const original = await accumulated(streamOf(name).toString('utf8'));
    const plain = (content: unknown) =>
      JSON.parse(JSON.stringify(content), (key, value) =>
        key === 'citations' || key === 'caller' ? undefined : value,
      );
    expect(plain(said.content)).toEqual(plain(original.content));
    expect(said.stop_reason).toBe(original.stop_reason);
    expect(said.usage).toMatchObject({
      input_tokens: original.usage.input_tokens,
      cache_read_input_tokens: original.usage.cache_read_input_tokens,
      output_tokens: original.usage.output_tokens,
    });
    expect(said.model).toBe('alias');
    expect(stream.isComplete()).toBe(true);
    expect(stream.usage()?.outputTokens).toBe(original.usage.output_tokens);
  });

  it('keeps what a broken stream has reported, and says that it is not all', async () => {
    const bytes = streamOf('text');
    const { stream, text } = await translated(
      bytes.subarray(0, bytes.indexOf('event: message_delta')),
    );
    expect(stream.isComplete()).toBe(false);
    expect(text).not.toContain('message_delta');
    expect(stream.usage()).toMatchObject({ inputTokens: 25, isPartial: true });
  });

  it('tells a whole answer, and refuses what is none', async () => {
    const exchange = await openExchange(foreign(), TARGET, CONTEXT);
    const message = {
      id: 'msg_7',
      type: 'message',
      content: [{ type: 'text', text: 'Hello!' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 3, output_tokens: 2 },
    };
    const whole = exchange.whole(Buffer.from(JSON.stringify(message)));
    expect(JSON.parse(whole.body.toString('utf8'))).toMatchObject({
      ...message,
      model: 'alias',
      role: 'assistant',
    });
    expect(whole.usage).toMatchObject({ inputTokens: 3, outputTokens: 2 });
    expect(() => exchange.whole(Buffer.from('<html>'))).toThrow(GatewayError);
    const unknown = { ...message, content: [{ type: 'server_tool_use' }] };
    expect(() => exchange.whole(Buffer.from(JSON.stringify(unknown)))).toThrow(GatewayError);
  });

  it('asks for the route’s model, with the gateway’s own fields, and names what was left out', async () => {
    const call = foreign({ stream: true, service_tier: 'standard_only', temperature: 0.5 });
    const target = { ...TARGET, model: 'claude-opus-4-8' };
    const { body, dropped } = await openExchange(call, target, CONTEXT);
    expect(JSON.parse(bodyText(body))).toEqual({
      model: 'claude-opus-4-8',
      max_tokens: 100,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
      stream: true,
      own: 1,
    });
    expect(dropped).toEqual(['service_tier', 'temperature']);
  });

  it('is asked for in the caller’s own dialect where the provider speaks it', () => {
    const call = { ...foreign(), dialect: 'anthropic-messages' as const };
    expect(dialectFor(call, ['openai-chat', 'anthropic-messages'])).toBe('anthropic-messages');
    const { translation: _, ...alone } = foreign();
    expect(dialectFor(alone, ['anthropic-messages'])).toBeUndefined();
  });
});
