/** Valid bodies of every dialect that use as much of it as they can: what fuzzed bodies are made from. */
import { CHAT, COUNT, EMBEDDINGS, MESSAGES, RESPONSES } from '../dialects.ts';

const model = CHAT.body['model'];
const PNG = 'iVBORw0KGgo=';
const schema = {
  type: 'object',
  properties: { city: { type: 'string', minLength: 1 } },
  required: ['city'],
  additionalProperties: false,
};

const chat = {
  model,
  stream: true,
  stream_options: { include_usage: true },
  max_tokens: 50,
  n: 1,
  temperature: 0.5,
  top_p: 1,
  seed: 7,
  stop: ['end'],
  user: 'ann',
  metadata: { feature: 'chat', user_id: 'u1' },
  messages: [
    { role: 'system', content: 'Be kind.' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'Grüße, 世界 🙂', cache_control: { type: 'ephemeral', ttl: '1h' } },
        { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}`, detail: 'low' } },
      ],
    },
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'c1', type: 'function', function: { name: 'look', arguments: '{}' } }],
    },
    { role: 'tool', tool_call_id: 'c1', content: 'rain' },
    { role: 'user', content: 'And now?' },
  ],
  tools: [{ type: 'function', function: { name: 'look', description: 'd', parameters: schema } }],
  tool_choice: { type: 'function', function: { name: 'look' } },
  response_format: { type: 'json_schema', json_schema: { name: 'a', schema, strict: true } },
  reasoning_effort: 'low',
};

const messages = {
  model,
  stream: true,
  max_tokens: 2_000,
  temperature: 1,
  stop_sequences: ['end'],
  metadata: { user_id: 'u1' },
  system: [{ type: 'text', text: 'Be kind.', cache_control: { type: 'ephemeral' } }],
  thinking: { type: 'enabled', budget_tokens: 1_024 },
  messages: [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'Grüße, 世界 🙂' },
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } },
      ],
    },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
        { type: 'tool_use', id: 'c1', name: 'look', input: { city: 'Rome' } },
      ],
    },
    {
      role: 'user',
      content: [{ type: 'tool_result', tool_use_id: 'c1', content: 'rain', is_error: false }],
    },
  ],
  tools: [{ name: 'look', description: 'd', input_schema: schema }],
  tool_choice: { type: 'auto' },
};

const responses = {
  model,
  stream: true,
  max_output_tokens: 50,
  instructions: 'Be kind.',
  metadata: { feature: 'chat' },
  temperature: 1,
  reasoning: { effort: 'low', summary: 'auto' },
  text: { format: { type: 'json_schema', name: 'a', schema, strict: true } },
  input: [
    {
      role: 'user',
      content: [
        { type: 'input_text', text: 'Grüße, 世界 🙂' },
        { type: 'input_image', image_url: `data:image/png;base64,${PNG}`, detail: 'low' },
      ],
    },
    { type: 'function_call', call_id: 'c1', name: 'look', arguments: '{"city":"Rome"}' },
    { type: 'function_call_output', call_id: 'c1', output: 'rain' },
    { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm.' }] },
  ],
  tools: [{ type: 'function', name: 'look', parameters: schema, strict: true }],
  tool_choice: 'auto',
};

export interface Seed {
  readonly path: string;
  readonly body: unknown;
}

export const SEEDS: readonly Seed[] = [
  ...[CHAT, MESSAGES, RESPONSES, EMBEDDINGS, COUNT].map(({ path, body }) => ({ path, body })),
  { path: CHAT.path, body: chat },
  { path: CHAT.path, body: { ...chat, stream: false } },
  { path: MESSAGES.path, body: messages },
  { path: MESSAGES.path, body: { ...messages, stream: false } },
  { path: RESPONSES.path, body: responses },
  { path: RESPONSES.path, body: { ...responses, stream: false } },
  { path: EMBEDDINGS.path, body: { model, input: ['a', 'b'], dimensions: 8, user: 'ann' } },
];
