import OpenAI from 'openai';
import { type Ask, type Client, given, type Place, type Said } from './client.ts';

type Message = OpenAI.ChatCompletionMessageParam;
type Params = OpenAI.ChatCompletionCreateParamsNonStreaming;

export const openAiChat: Client = {
  name: 'openai (chat completions)',
  ask: (place, request) => turn(place, request, opening(request)),
};

function opening({ system, prompt, image }: Ask): readonly Message[] {
  const url = `data:image/png;base64,${image}`;
  return [
    ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
    {
      role: 'user',
      content: [
        ...(image === undefined ? [] : [{ type: 'image_url' as const, image_url: { url } }]),
        { type: 'text', text: prompt },
      ],
    },
  ];
}

async function turn(place: Place, request: Ask, messages: readonly Message[]): Promise<Said> {
  const client = new OpenAI({ baseURL: `${place.url}/v1`, apiKey: place.key, maxRetries: 0 });
  const completion = await complete(client, request, params(place, request, messages));
  const message = completion.choices[0]?.message;
  if (message === undefined) throw new Error('no choice in the answer');
  const calls = (message.tool_calls ?? []).flatMap((call) =>
    call.type === 'function' ? [{ id: call.id, ...call.function }] : [],
  );
  const { usage } = completion;
  return {
    text: message.content ?? '',
    thinking: textAt(message, 'reasoning') ?? textAt(message, 'reasoning_content') ?? '',
    calls: calls.map(({ id, name, arguments: json }) => ({ id, name, input: JSON.parse(json) })),
    usage: {
      input: usage?.prompt_tokens,
      output: usage?.completion_tokens,
      cached: usage?.prompt_tokens_details?.cached_tokens,
      thinking: usage?.completion_tokens_details?.reasoning_tokens,
    },
    withResults: (results) =>
      turn(place, request, [
        ...messages,
        message,
        ...calls.map(({ id }, index) => {
          return { role: 'tool' as const, tool_call_id: id, content: results[index] ?? '' };
        }),
      ]),
  };
}

function params({ model }: Place, request: Ask, messages: readonly Message[]): Params {
  return {
    model,
    messages: [...messages],
    ...given(request.tools, (tools) => ({
      tools: tools.map(({ name, schema }) => {
        return { type: 'function' as const, function: { name, parameters: schema } };
      }),
    })),
    ...given(request.schema, (schema) => ({
      response_format: {
        type: 'json_schema' as const,
        json_schema: { name: 'answer', schema, strict: true },
      },
    })),
    ...(request.thinks === true ? { reasoning_effort: 'low' as const } : {}),
  };
}

async function complete(client: OpenAI, { stream, signal, onFirst }: Ask, body: Params) {
  if (!stream) return client.chat.completions.create(body, { signal: signal ?? null });
  const streamed = client.chat.completions.stream(
    { ...body, stream: true, stream_options: { include_usage: true } },
    { signal: signal ?? null },
  );
  if (onFirst !== undefined) streamed.once('content', onFirst);
  return streamed.finalChatCompletion();
}

/** A field of compatible servers that the client's types do not know. */
function textAt(message: object, name: string): string | undefined {
  const value: unknown = Reflect.get(message, name);
  return typeof value === 'string' ? value : undefined;
}
