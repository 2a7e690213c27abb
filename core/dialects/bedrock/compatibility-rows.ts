/** What Bedrock's Converse cannot say. Fields by the callers' names, of all dialects that callers speak. */
import type { CompatibilityRow } from '../compatibility.ts';

const TUNES = 'Converse has no such setting, and it only tunes the answer';

const drops = {
  seed: TUNES,
  frequency_penalty: TUNES,
  presence_penalty: TUNES,
  logit_bias: TUNES,
  verbosity: TUNES,
  top_k: 'only Claude knows it, and not while it thinks',
  top_p: 'not known to the newest Claude models, to any while it thinks, or beside a temperature',
  temperature:
    'not known to the newest Claude models or to any while it thinks; above 1 it is sent as 1',
  thinking: 'this model cannot be told how much to think, or has no room for it below the maximum',
  'messages.content.thinking': 'models take back only thinking that they signed',
  cache_control: 'the model has no prompt cache, or none in this place',
  strict: 'the model does not hold its tool calls to a schema',
  'messages.content.is_error': 'only Claude and Nova are told that a tool failed',
  metadata: 'kept by the gateway as tags',
  user: 'kept by the gateway as a tag',
  store: 'nothing is stored',
  service_tier: 'the route decides the tier',
  prompt_cache_key: 'Bedrock finds its cache by the prompt alone',
  prompt_cache_retention: 'Bedrock takes it from the cache marks alone',
  safety_identifier: 'no name of a user is sent on',
  include: 'nothing beside the answer is kept by Bedrock',
  truncation: 'the gateway truncates nothing',
} as const;

const refusals = {
  n: 'Converse gives one answer a call',
  logprobs: 'Converse reports no probabilities',
  top_logprobs: 'Converse reports no probabilities',
  response_format: 'Converse holds an answer to a JSON schema only; give one with type json_schema',
  parallel_tool_calls: 'only Claude can be held to one tool call at a time',
  tool_choice: 'this model cannot be kept from its tools once the conversation has used them',
  tools: 'a conversation that has used tools must name them again',
  stop: 'this model knows no stop sequences',
} as const;

export type DroppedField = keyof typeof drops;
export type RefusedField = keyof typeof refusals;

export const refusalReason = (field: RefusedField): string => refusals[field];

export const CONVERSE_ROWS: readonly CompatibilityRow[] = [
  ...rows('drop', drops),
  ...rows('refuse', refusals),
];

function rows(
  action: CompatibilityRow['action'],
  reasons: Readonly<Record<string, string>>,
): CompatibilityRow[] {
  return Object.entries(reasons).map(([field, reason]) => ({
    field,
    target: 'bedrock-converse',
    action,
    reason,
  }));
}
