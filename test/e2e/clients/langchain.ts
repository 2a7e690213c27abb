import {
  AIMessageChunk,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import * as z from 'zod';
import { type Ask, type Client, given, type Place, type Said } from './client.ts';

export const langChain: Client = {
  name: 'LangChain ChatOpenAI',
  ask: (place, request) => turn(place, request, opening(request)),
};

/** What the client adds to its messages; its own types lose it under strict settings. */
const usageSchema = z
  .object({
    input_tokens: z.number(),
    output_tokens: z.number(),
    input_token_details: z.object({ cache_read: z.number().optional() }).optional(),
    output_token_details: z.object({ reasoning: z.number().optional() }).optional(),
  })
  .optional();

function opening({ system, prompt, image }: Ask): readonly BaseMessage[] {
  const text = { type: 'text' as const, text: prompt };
  const url = `data:image/png;base64,${image}`;
  const content = image === undefined ? [text] : [{ type: 'image_url', image_url: { url } }, text];
  return [
    ...(system === undefined ? [] : [new SystemMessage(system)]),
    new HumanMessage({ content }),
  ];
}

async function turn(place: Place, request: Ask, messages: readonly BaseMessage[]): Promise<Said> {
  const message = await complete(place, request, messages);
  const usage = usageSchema.parse(Reflect.get(message, 'usage_metadata'));
  const calls = (message.tool_calls ?? []).map(({ id = '', name, args }) => {
    return { id, name, input: args };
  });
  return {
    text: message.text,
    thinking: String(message.additional_kwargs['reasoning_content'] ?? ''),
    calls,
    usage: {
      input: usage?.input_tokens,
      output: usage?.output_tokens,
      cached: usage?.input_token_details?.cache_read,
      thinking: usage?.output_token_details?.reasoning,
    },
    withResults: (results) =>
      turn(place, request, [
        ...messages,
        message,
        ...calls.map(
          ({ id }, index) => new ToolMessage({ tool_call_id: id, content: results[index] ?? '' }),
        ),
      ]),
  };
}

async function complete(
  { url, key, model }: Place,
  { stream, signal, onFirst, tools, schema, thinks }: Ask,
  messages: readonly BaseMessage[],
): Promise<AIMessageChunk> {
  const chat = new ChatOpenAI({
    model,
    apiKey: key,
    maxRetries: 0,
    configuration: { baseURL: `${url}/v1` },
    modelKwargs: thinks === true ? { reasoning_effort: 'low' } : {},
  });
  const options = {
    ...given(signal, (value) => ({ signal: value })),
    ...given(tools, (offered) => ({
      tools: offered.map(({ name, schema: parameters }) => {
        return { type: 'function' as const, function: { name, parameters } };
      }),
    })),
    ...given(schema, (value) => ({
      response_format: {
        type: 'json_schema' as const,
        json_schema: { name: 'answer', schema: value, strict: true },
      },
    })),
  };
  if (!stream) return chat.invoke([...messages], options);
  let whole: AIMessageChunk | undefined;
  for await (const chunk of await chat.stream([...messages], options)) {
    if (chunk.text !== '') onFirst?.();
    whole = whole === undefined ? chunk : whole.concat(chunk);
  }
  return whole ?? new AIMessageChunk('');
}
