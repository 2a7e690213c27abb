/** Answers every call at once and always the same, in the dialect of its address, so that a fuzzer measures the gateway alone. */
import { readFileSync } from 'node:fs';
import type { UpstreamPort, UpstreamRequest } from '../../../core/providers/upstream.ts';
import { readAnswer, readStream, toBytes } from '../../core/dialects/bedrock/wire.ts';
import { bodyText } from '../../support/body-text.ts';

const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
const TEXT = { type: 'text', text: 'Hello.' };

const STREAMS: Readonly<Record<string, Buffer>> = {
  'chat/completions': readFileSync('test/fixtures/openai/openai-parallel-tools.sse'),
  messages: readFileSync('test/fixtures/anthropic/tools.sse'),
  responses: readFileSync('test/fixtures/openai/responses-stream.txt'),
  'converse-stream': toBytes(readStream('thinking-and-tools')),
};

const ANSWERS: Readonly<Record<string, Buffer>> = {
  'chat/completions': json({
    id: 'c',
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
    usage,
  }),
  messages: json({
    type: 'message',
    id: 'm',
    role: 'assistant',
    content: [TEXT],
    stop_reason: 'end_turn',
    usage: { input_tokens: 3, output_tokens: 2 },
  }),
  count_tokens: json({ input_tokens: 3 }),
  responses: json({ id: 'r', object: 'response', status: 'completed', output: [] }),
  embeddings: json({ object: 'list', data: [], usage }),
  converse: readAnswer('thinking-and-tools'),
};

export const cannedProvider: UpstreamPort = { send: async (request) => answerTo(request) };

function answerTo({ url, body, headers }: UpstreamRequest) {
  // What reaches a provider is always JSON, whatever came in.
  JSON.parse(bodyText(body));
  const isStream = /event-?stream/.test(headers['accept'] ?? '');
  const table = isStream ? STREAMS : ANSWERS;
  const name = Object.keys(table).find((operation) => url.endsWith(`/${operation}`));
  const bytes = table[name ?? ''];
  if (bytes === undefined) throw new Error(`no answer for ${url}`);
  return {
    status: 200,
    headers: {},
    body: (async function* () {
      yield bytes;
    })(),
    abort: () => undefined,
  };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
