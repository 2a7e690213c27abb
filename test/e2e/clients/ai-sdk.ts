import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import {
  generateText,
  jsonSchema,
  type LanguageModel,
  type ModelMessage,
  Output,
  streamText,
  tool,
} from 'ai';
import { type Ask, type Client, given, type Place, type Said } from './client.ts';

type Options = Parameters<typeof generateText>[0];

const MAX_TOKENS = 4000;

/** The names of models decide what this client sends; an alias is a name that it does not know. */
const REASONS = { reasoningEffort: 'low', forceReasoning: true };

export const aiSdkChat: Client = clientOf('AI SDK, openai.chat', {
  model: ({ url, key, model }) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).chat(model),
  thinking: { openai: REASONS },
});

export const aiSdkResponses: Client = clientOf('AI SDK, openai.responses', {
  model: ({ url, key, model }) =>
    createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).responses(model),
  thinking: { openai: { ...REASONS, reasoningSummary: 'auto', store: false } },
});

export const aiSdkAnthropic: Client = clientOf('AI SDK, anthropic', {
  model: ({ url, key, model }) => createAnthropic({ baseURL: `${url}/v1`, apiKey: key })(model),
  thinking: { anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } } },
});

interface Setup {
  readonly model: (place: Place) => LanguageModel;
  readonly thinking: NonNullable<Options['providerOptions']>;
}

function clientOf(name: string, { model, thinking }: Setup): Client {
  return {
    name,
    ask: (place, request) => turn({ model: model(place), thinking, request }, opening(request)),
  };
}

interface Dialogue {
  readonly model: LanguageModel;
  readonly thinking: Setup['thinking'];
  readonly request: Ask;
}

function opening({ prompt, image }: Ask): readonly ModelMessage[] {
  const text = { type: 'text' as const, text: prompt };
  const picture = { type: 'file' as const, data: image ?? '', mediaType: 'image/png' };
  return [{ role: 'user', content: image === undefined ? [text] : [picture, text] }];
}

async function turn(dialogue: Dialogue, messages: readonly ModelMessage[]): Promise<Said> {
  const said = await complete(options(dialogue, messages), dialogue.request);
  const { usage } = said;
  const calls = said.toolCalls.map(({ toolCallId: id, toolName: name, input }) => {
    return { id, name, input };
  });
  return {
    text: said.text,
    thinking: said.reasoningText ?? '',
    calls,
    usage: {
      input: usage.inputTokens,
      output: usage.outputTokens,
      cached: usage.inputTokenDetails.cacheReadTokens,
      thinking: usage.outputTokenDetails.reasoningTokens,
    },
    withResults: (results) =>
      turn(dialogue, [
        ...messages,
        ...said.messages,
        {
          role: 'tool',
          content: calls.map(({ id: toolCallId, name: toolName }, index) => {
            const output = { type: 'text' as const, value: results[index] ?? '' };
            return { type: 'tool-result', toolCallId, toolName, output };
          }),
        },
      ]),
  };
}

function options(
  { model, thinking, request }: Dialogue,
  messages: readonly ModelMessage[],
): Options {
  return {
    model,
    messages: [...messages],
    maxRetries: 0,
    maxOutputTokens: MAX_TOKENS,
    ...given(request.system, (content) => ({
      instructions: {
        role: 'system' as const,
        content,
        providerOptions: { anthropic: { cacheControl: { type: 'ephemeral' } } },
      },
    })),
    ...given(request.tools, (tools) => ({
      tools: Object.fromEntries(
        tools.map(({ name, schema }) => [name, tool({ inputSchema: jsonSchema(schema) })]),
      ),
    })),
    ...given(request.schema, (schema) => ({
      output: Output.object({ schema: jsonSchema(schema), name: 'answer' }),
    })),
    ...(request.thinks === true ? { providerOptions: thinking } : {}),
    ...given(request.signal, (abortSignal) => ({ abortSignal })),
  };
}

async function complete(asked: Options, { stream, onFirst }: Ask) {
  if (!stream) {
    const { text, reasoningText, toolCalls, usage, response } = await generateText(asked);
    return { text, reasoningText, toolCalls, usage, messages: response.messages };
  }
  const streamed = streamText({ ...asked, onError: () => undefined });
  for await (const part of streamed.fullStream) {
    if (part.type === 'text-delta') onFirst?.();
    if (part.type === 'error') throw part.error;
    if (part.type === 'abort') throw new Error('aborted');
  }
  return {
    text: await streamed.text,
    reasoningText: await streamed.reasoningText,
    toolCalls: await streamed.toolCalls,
    usage: await streamed.usage,
    messages: (await streamed.response).messages,
  };
}
