import { expect, it } from 'vitest';
import {
  droppedFields,
  RESPONSES_FIELDS,
  refusedFields,
} from '../../../../core/dialects/openai/responses-fields.ts';
import type { ResponsesBody } from '../../../../core/dialects/openai/responses-request.ts';

const image = { type: 'input_image', image_url: 'x', detail: 'low' } as const;
const schema = { type: 'json_schema', name: 'n', description: 'd', schema: {} } as const;

/** For each row a body that it is about. */
const EXAMPLES: Readonly<Record<string, Partial<ResponsesBody>>> = {
  previous_response_id: { previous_response_id: 'resp_1' },
  conversation: { conversation: 'conv_1' },
  prompt: { prompt: { id: 'pmpt_1' } },
  background: { background: true },
  store: { store: true },
  prompt_cache_key: { prompt_cache_key: 'k' },
  safety_identifier: { safety_identifier: 's' },
  top_logprobs: { top_logprobs: 1 },
  tools: { tools: [{ type: 'custom', name: 'sql' }] },
  tool_choice: { tool_choice: { type: 'custom', name: 'sql' } },
  'text.verbosity': { text: { verbosity: 'low' } },
  'input.role': {
    input: [
      { type: 'message', role: 'user', content: 'x' },
      { type: 'message', role: 'system', content: 'y' },
    ],
  },
  'input.content.detail': { input: [{ type: 'message', role: 'user', content: [image] }] },
  'text.format.description': { text: { format: schema } },
  'reasoning.context': { reasoning: { context: 'all_turns' } },
  max_tool_calls: { max_tool_calls: 1 },
  truncation: { truncation: 'auto' },
  prompt_cache_retention: { prompt_cache_retention: '24h' },
};

it.each(RESPONSES_FIELDS)('$field: $action at $target', ({ field, target, action }) => {
  const body = { model: 'm', input: 'x', ...EXAMPLES[field] };
  const outcome = (where: typeof target) => ({
    refuse: refusedFields(body, where).map((rule) => rule.field),
    drop: droppedFields(body, where),
  });
  const nothing = { refuse: [], drop: [] };
  expect(outcome('other dialects')).toEqual({ ...nothing, [action]: [field] });
  expect(outcome('every provider')).toEqual(
    target === 'every provider' ? { ...nothing, [action]: [field] } : nothing,
  );
  expect(refusedFields({ model: 'm', input: 'x' }, 'other dialects')).toEqual([]);
});
