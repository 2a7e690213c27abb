import Anthropic from '@anthropic-ai/sdk';
import { type Ask, type Client, given, type Place, type Said } from './client.ts';

type Message = Anthropic.MessageParam;
type Params = Anthropic.MessageCreateParamsNonStreaming;

const MAX_TOKENS = 4000;
const THINKING_TOKENS = 1024;

export const anthropicMessages: Client = {
  name: '@anthropic-ai/sdk (messages)',
  ask: (place, request) => turn(place, request, opening(request)),
};

function opening({ prompt, image }: Ask): readonly Message[] {
  const text = { type: 'text' as const, text: prompt };
  const source = { type: 'base64' as const, media_type: 'image/png' as const, data: image ?? '' };
  const content = image === undefined ? [text] : [{ type: 'image' as const, source }, text];
  return [{ role: 'user', content }];
}

async function turn(place: Place, request: Ask, messages: readonly Message[]): Promise<Said> {
  const client = new Anthropic({ baseURL: place.url, apiKey: place.key, maxRetries: 0 });
  const { content, usage } = await complete(client, request, params(place, request, messages));
  const calls = content.filter((block) => block.type === 'tool_use');
  const cached = usage.cache_read_input_tokens ?? 0;
  return {
    text: content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    thinking: content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join(''),
    calls: calls.map(({ id, name, input }) => ({ id, name, input })),
    usage: {
      input: usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0),
      output: usage.output_tokens,
      cached,
      thinking: usage.output_tokens_details?.thinking_tokens,
    },
    withResults: (results) =>
      turn(place, request, [
        ...messages,
        { role: 'assistant', content },
        {
          role: 'user',
          content: calls.map(({ id }, index) => {
            return { type: 'tool_result', tool_use_id: id, content: results[index] ?? '' };
          }),
        },
      ]),
  };
}

function params({ model }: Place, request: Ask, messages: readonly Message[]): Params {
  return {
    model,
    max_tokens: MAX_TOKENS,
    messages: [...messages],
    ...given(request.system, (text) => ({
      system: [{ type: 'text' as const, text, cache_control: { type: 'ephemeral' as const } }],
    })),
    ...given(request.tools, (tools) => ({
      tools: tools.map(({ name, schema }) => ({ name, input_schema: schema })),
    })),
    ...given(request.schema, (schema) => ({
      output_config: { format: { type: 'json_schema' as const, schema } },
    })),
    ...(request.thinks === true
      ? { thinking: { type: 'enabled' as const, budget_tokens: THINKING_TOKENS } }
      : {}),
  };
}

async function complete(client: Anthropic, { stream, signal, onFirst }: Ask, body: Params) {
  if (!stream) return client.messages.create(body, { signal: signal ?? null });
  const streamed = client.messages.stream(body, { signal: signal ?? null });
  if (onFirst !== undefined) streamed.once('text', onFirst);
  return streamed.finalMessage();
}
