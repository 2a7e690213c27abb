import { describe, expect, it } from 'vitest';
import type { Call, Target } from '../../../core/dialects/call.ts';
import { dialectFor, openExchange } from '../../../core/dialects/exchange.ts';
import { chatCall } from '../../../core/dialects/openai/chat-call.ts';
import { embeddingsCall } from '../../../core/dialects/openai/embeddings-call.ts';
import { bodyText } from '../../support/body-text.ts';

const CONTEXT = { requestId: 'req_1', model: 'alias', createdAtSeconds: 1 };
const TARGET: Target = { dialect: 'openai-chat', model: 'm', maxOutputTokens: 9, extra: {} };
const CHAT = chatCall(
  Buffer.from(
    JSON.stringify({
      model: 'alias',
      stream: true,
      verbosity: 'low',
      messages: [{ role: 'user', content: 'Hi' }],
    }),
  ),
);
/** A caller of another dialect who happens to be told in the words of chat. */
const FOREIGN: Call = { ...CHAT, dialect: 'anthropic-messages' };

const said = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const USAGE = 'data: {"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":2}}\n\n';
const DONE = 'data: [DONE]\n\n';

async function relay(...blocks: string[]) {
  const stream = (await openExchange(FOREIGN, TARGET, CONTEXT)).stream();
  const text = blocks.map((block) => stream.push(Buffer.from(block)).toString()).join('');
  return { stream, text };
}

describe('an exchange', () => {
  it('in the caller’s own dialect passes, and across dialects says what it dropped', async () => {
    expect(JSON.parse(bodyText((await openExchange(CHAT, TARGET, CONTEXT)).body)).verbosity).toBe(
      'low',
    );
    const { body, dropped } = await openExchange(FOREIGN, TARGET, CONTEXT);
    expect(JSON.parse(bodyText(body)).verbosity).toBeUndefined();
    expect(dropped).toEqual(['verbosity']);
  });

  it('is asked in the caller’s dialect where the provider speaks it, else in one that it can be translated to', () => {
    expect(dialectFor(CHAT, ['openai-embeddings', 'openai-chat'])).toBe('openai-chat');
    expect(dialectFor(FOREIGN, ['openai-embeddings', 'openai-chat'])).toBe('openai-chat');
    const embeddings = embeddingsCall(Buffer.from('{"model":"alias","input":"Hi"}'));
    expect(dialectFor(embeddings, ['openai-chat'])).toBeUndefined();
  });

  it('has begun with content, not with the role, and is complete with usage at its end', async () => {
    const { stream } = await relay(said({ role: 'assistant' }));
    expect(stream.hasBegun()).toBe(false);
    const { stream: whole, text } = await relay(
      said({ content: 'Hi' }),
      said({}, 'stop'),
      USAGE,
      DONE,
    );
    expect([whole.hasBegun(), whole.isComplete(), whole.hasFailed()]).toEqual([true, true, false]);
    expect(whole.usage()).toMatchObject({ inputTokens: 4, outputTokens: 2 });
    expect(text.endsWith(DONE)).toBe(true);
  });

  it('that fails in the middle never looks finished', async () => {
    const { stream, text } = await relay(said({ content: 'Hi' }), 'data: {"error":{}}\n\n', DONE);
    expect([stream.hasBegun(), stream.isComplete(), stream.hasFailed()]).toEqual([
      true,
      false,
      true,
    ]);
    expect(text).not.toContain('[DONE]');
    expect(text).not.toContain('"stop"');
  });

  it('of a whole answer tells it in the caller’s words', async () => {
    const answer = (await openExchange(FOREIGN, TARGET, CONTEXT)).whole(
      Buffer.from(
        '{"id":"c","choices":[{"message":{"content":"Hi you"},"finish_reason":"stop"}],"usage":{"prompt_tokens":4,"completion_tokens":2}}',
      ),
    );
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      model: 'alias',
      choices: [{ message: { content: 'Hi you' }, finish_reason: 'stop' }],
      usage: { total_tokens: 6 },
    });
    expect(answer.usage).toMatchObject({ inputTokens: 4 });
    expect(answer.estimatedOutputTokens).toBeGreaterThan(0);
  });
});
