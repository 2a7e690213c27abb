import OpenAI from 'openai';
import { type Ask, type Client, given, type Place, type Said } from './client.ts';

type Item = OpenAI.Responses.ResponseInputItem;
type Params = OpenAI.Responses.ResponseCreateParamsNonStreaming;

export const openAiResponses: Client = {
  name: 'openai (responses)',
  ask: (place, request) => turn(place, request, opening(request)),
};

function opening({ prompt, image }: Ask): readonly Item[] {
  const url = `data:image/png;base64,${image}`;
  const picture = { type: 'input_image' as const, image_url: url, detail: 'auto' as const };
  const text = { type: 'input_text' as const, text: prompt };
  return [{ role: 'user', content: image === undefined ? [text] : [picture, text] }];
}

async function turn(place: Place, request: Ask, input: readonly Item[]): Promise<Said> {
  const client = new OpenAI({ baseURL: `${place.url}/v1`, apiKey: place.key, maxRetries: 0 });
  const response = await complete(client, request, params(place, request, input));
  if (response.status !== 'completed') throw new Error(`the response is ${response.status}`);
  const calls = response.output.flatMap((item) => (item.type === 'function_call' ? [item] : []));
  const { usage } = response;
  return {
    text: response.output_text,
    thinking: response.output
      .flatMap((item) => (item.type === 'reasoning' ? item.summary : []))
      .map(({ text }) => text)
      .join(''),
    calls: calls.map(({ call_id: id, name, arguments: json }) => {
      return { id, name, input: JSON.parse(json) };
    }),
    usage: {
      input: usage?.input_tokens,
      output: usage?.output_tokens,
      cached: usage?.input_tokens_details.cached_tokens,
      thinking: usage?.output_tokens_details.reasoning_tokens,
    },
    withResults: (results) =>
      turn(place, request, [
        ...input,
        ...response.output.flatMap(asInput),
        ...calls.map(({ call_id }, index) => {
          return { type: 'function_call_output' as const, call_id, output: results[index] ?? '' };
        }),
      ]),
  };
}

/** An application's own copy: OpenAI refuses the `parsed_arguments` that its client adds (openai-python, issue 2374). */
function asInput(item: OpenAI.Responses.ResponseOutputItem): readonly Item[] {
  switch (item.type) {
    case 'function_call': {
      const { type, call_id, name, arguments: json } = item;
      return [{ type, call_id, name, arguments: json }];
    }
    case 'message':
    case 'reasoning':
      return [item];
    default:
      return [];
  }
}

function params({ model }: Place, request: Ask, input: readonly Item[]): Params {
  return {
    model,
    input: [...input],
    ...given(request.system, (instructions) => ({ instructions })),
    ...given(request.tools, (tools) => ({
      tools: tools.map(({ name, schema }) => {
        return { type: 'function' as const, name, parameters: schema, strict: true };
      }),
    })),
    ...given(request.schema, (schema) => ({
      text: { format: { type: 'json_schema' as const, name: 'answer', schema, strict: true } },
    })),
    ...(request.thinks === true
      ? {
          reasoning: { effort: 'low' as const, summary: 'auto' as const },
          include: ['reasoning.encrypted_content' as const],
        }
      : {}),
  };
}

async function complete(client: OpenAI, { stream, signal, onFirst }: Ask, body: Params) {
  if (!stream) return client.responses.create(body, { signal: signal ?? null });
  const streamed = client.responses.stream({ ...body, stream: true }, { signal: signal ?? null });
  if (onFirst !== undefined) streamed.once('response.output_text.delta', onFirst);
  return streamed.finalResponse();
}
