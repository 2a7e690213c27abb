import { readdirSync, readFileSync } from 'node:fs';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { messagesCall } from '../../../core/dialects/anthropic/messages-call.ts';
import type { Call } from '../../../core/dialects/call.ts';
import type { Dialect } from '../../../core/dialects/dialect.ts';
import { openExchange } from '../../../core/dialects/exchange.ts';
import { chatCall } from '../../../core/dialects/openai/chat-call.ts';
import { responsesCall } from '../../../core/dialects/openai/responses-call.ts';
import { schemaErrors } from './openai/published-schema.ts';

const FIXTURES = new URL('../../fixtures/', import.meta.url);
const CONTEXT = { requestId: 'req_1', model: 'alias', createdAtSeconds: 1 };
const USER = { role: 'user', content: 'x' };

const bytes = (body: object) => Buffer.from(JSON.stringify({ model: 'a', stream: true, ...body }));
const CHAT = chatCall(bytes({ stream_options: { include_usage: true }, messages: [USER] }));
const MESSAGES = messagesCall(bytes({ max_tokens: 100, messages: [USER] }), {});
const RESPONSES = responsesCall(bytes({ input: 'x' }));

/** What a caller reads of a provider's fixture, when the provider closed it as its dialect demands. */
async function told(call: Call, file: URL, dialect: Dialect): Promise<string | undefined> {
  const target = { dialect, model: 'claude-sonnet-5', maxOutputTokens: 2_000, extra: {} };
  const stream = (await openExchange(call, target, CONTEXT)).stream();
  const text = stream.push(readFileSync(file)).toString('utf8');
  return stream.isComplete() ? text : undefined;
}

function fixtures(folder: string): URL[] {
  const names = readdirSync(new URL(`${folder}/`, FIXTURES)).filter((name) =>
    name.endsWith('.sse'),
  );
  return names.map((name) => new URL(`${folder}/${name}`, FIXTURES));
}

function answering(text: string) {
  return async () => new Response(text, { headers: { 'content-type': 'text/event-stream' } });
}

describe('a stream of another dialect', () => {
  it.each(fixtures('anthropic'))('of Anthropic is a chat completion: %s', async (file) => {
    const text = await told(CHAT, file, 'anthropic-messages');
    if (text === undefined) return;
    const chunks = text.split('\n\n').filter((each) => each.startsWith('data: {'));
    for (const chunk of chunks)
      expect(
        schemaErrors('CreateChatCompletionStreamResponse', JSON.parse(chunk.slice(6))),
      ).toEqual([]);
    const client = new OpenAI({ apiKey: 'x', fetch: answering(text) });
    const final = await client.chat.completions
      .stream({ model: 'm', messages: [] })
      .finalChatCompletion();
    expect(final.usage?.total_tokens).toBeGreaterThan(0);
  });

  it.each(fixtures('openai'))('of chat is a message: %s', async (file) => {
    const text = await told(MESSAGES, file, 'openai-chat');
    if (text === undefined) return;
    const client = new Anthropic({ apiKey: 'x', fetch: answering(text) });
    const final = await client.messages
      .stream({ model: 'm', max_tokens: 10, messages: [] })
      .finalMessage();
    expect(final.usage.output_tokens).toBeGreaterThan(0);
    expect(final.stop_reason).not.toBeNull();
  });

  it.each(fixtures('openai'))('of chat is a response: %s', async (file) => {
    const text = await told(RESPONSES, file, 'openai-chat');
    if (text === undefined) return;
    const client = new OpenAI({ apiKey: 'x', fetch: answering(text) });
    const final = await client.responses.stream({ model: 'm', input: 'x' }).finalResponse();
    expect(final.status).toMatch(/^(completed|incomplete)$/);
  });

  it('has at least three fixtures that are complete for each family', async () => {
    const complete = async (call: Call, folder: string, dialect: Dialect) => {
      const texts = await Promise.all(fixtures(folder).map((file) => told(call, file, dialect)));
      return texts.filter((text) => text !== undefined).length;
    };
    expect(await complete(CHAT, 'anthropic', 'anthropic-messages')).toBeGreaterThanOrEqual(3);
    expect(await complete(MESSAGES, 'openai', 'openai-chat')).toBeGreaterThanOrEqual(3);
  });
});
