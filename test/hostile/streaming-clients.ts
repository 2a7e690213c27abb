/** Official clients that read one stream, and how it looked to them: did the answer end as a good one does? */
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { type LanguageModel, streamText } from 'ai';
import OpenAI from 'openai';

interface Seen {
  /** The client told its application that the answer is whole. */
  readonly finished: boolean;
  /** The client told its application that the answer failed. */
  readonly failed: boolean;
  readonly text: string;
}

interface Place {
  readonly url: string;
  readonly key: string;
}

export interface StreamingClient {
  readonly name: string;
  readonly dialect: 'chat' | 'responses' | 'messages';
  read(place: Place): Promise<Seen>;
}

const MODEL = 'sim-small';
const PROMPT = 'Hello there';
const MAX_TOKENS = 100;

export const STREAMING_CLIENTS: readonly StreamingClient[] = [
  { name: 'openai, chat stream', dialect: 'chat', read: readChat },
  { name: 'openai, responses stream', dialect: 'responses', read: readResponses },
  { name: 'anthropic, messages stream', dialect: 'messages', read: readMessages },
  {
    name: 'AI SDK, openai.chat',
    dialect: 'chat',
    read: ({ url, key }) => readAi(createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).chat(MODEL)),
  },
  {
    name: 'AI SDK, openai.responses',
    dialect: 'responses',
    read: ({ url, key }) =>
      readAi(createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).responses(MODEL)),
  },
  {
    name: 'AI SDK, anthropic',
    dialect: 'messages',
    read: ({ url, key }) => readAi(createAnthropic({ baseURL: `${url}/v1`, apiKey: key })(MODEL)),
  },
];

async function readChat({ url, key }: Place): Promise<Seen> {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  let text = '';
  return seen(
    () => text,
    async () => {
      const stream = await client.chat.completions.create({
        model: MODEL,
        stream: true,
        max_completion_tokens: MAX_TOKENS,
        messages: [{ role: 'user', content: PROMPT }],
      });
      for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
      // The client says nothing more at `[DONE]` than at any other end of the body.
      return true;
    },
  );
}

async function readResponses({ url, key }: Place): Promise<Seen> {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  let text = '';
  return seen(
    () => text,
    async () => {
      let finished = false;
      const stream = await client.responses.create({
        model: MODEL,
        stream: true,
        max_output_tokens: MAX_TOKENS,
        input: PROMPT,
      });
      for await (const event of stream) {
        if (event.type === 'response.output_text.delta') text += event.delta;
        if (event.type === 'error') throw new Error(event.message);
        finished ||= event.type === 'response.completed' || event.type === 'response.incomplete';
      }
      return finished;
    },
  );
}

async function readMessages({ url, key }: Place): Promise<Seen> {
  const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
  let text = '';
  return seen(
    () => text,
    async () => {
      const stream = client.messages.stream({
        model: MODEL,
        max_tokens: MAX_TOKENS,
        messages: [{ role: 'user', content: PROMPT }],
      });
      stream.on('text', (delta) => {
        text += delta;
      });
      const { stop_reason } = await stream.finalMessage();
      return stop_reason !== null;
    },
  );
}

async function readAi(model: LanguageModel): Promise<Seen> {
  let text = '';
  return seen(
    () => text,
    async () => {
      let finished = false;
      const { fullStream } = streamText({
        model,
        prompt: PROMPT,
        maxRetries: 0,
        maxOutputTokens: MAX_TOKENS,
        onError: () => undefined,
      });
      for await (const part of fullStream) {
        if (part.type === 'text-delta') text += part.text;
        if (part.type === 'error') throw part.error;
        if (part.type === 'finish') finished = !['error', 'other'].includes(part.finishReason);
      }
      return finished;
    },
  );
}

async function seen(text: () => string, read: () => Promise<boolean>): Promise<Seen> {
  const end = await read().then(
    (finished) => ({ finished, failed: false }),
    () => ({ finished: false, failed: true }),
  );
  return { ...end, text: text() };
}
