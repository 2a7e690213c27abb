/** What chat completions can say that other dialects cannot, and the other way round: data for the code and for docs/compatibility.md. */

export interface Loss {
  /** By the caller's name for it. */
  readonly field: string;
  /** Refused where the answer would mean something else without it; dropped, and named in a header, where it only tunes. */
  readonly outcome: 'refuse' | 'drop';
  readonly reason: string;
}

/** Of a chat request to a provider of another dialect. */
export const CHAT_LOSSES = [
  { field: 'n', outcome: 'refuse', reason: 'only chat completions give several answers at once' },
  { field: 'logprobs', outcome: 'refuse', reason: 'only chat completions tell log probabilities' },
  {
    field: 'top_logprobs',
    outcome: 'refuse',
    reason: 'only chat completions tell log probabilities',
  },
  {
    field: 'logit_bias',
    outcome: 'drop',
    reason: 'tokens have other numbers in every family of models',
  },
  { field: 'verbosity', outcome: 'drop', reason: 'a hint that other providers do not know' },
  {
    field: 'prompt_cache_retention',
    outcome: 'drop',
    reason: 'other caches are asked for where they begin',
  },
  {
    field: 'prompt_cache_options',
    outcome: 'drop',
    reason: 'other caches are asked for where they begin',
  },
  { field: 'messages.name', outcome: 'drop', reason: 'other dialects know no participants' },
  {
    field: 'messages.role',
    outcome: 'drop',
    reason: 'instructions behind the first turn stay in their place, as the user’s words',
  },
  {
    field: 'messages.content.image_url.detail',
    outcome: 'drop',
    reason: 'other providers choose the resolution themselves',
  },
  {
    field: 'response_format.json_schema.description',
    outcome: 'drop',
    reason: 'other dialects describe a format in its schema',
  },
] as const satisfies readonly Loss[];

/** Of a chat request to any provider: it tells providers who calls, or lets tenants share. */
export const CHAT_WITHHELD = [
  { field: 'store', outcome: 'drop', reason: 'providers are asked to keep nothing' },
  {
    field: 'safety_identifier',
    outcome: 'drop',
    reason: 'providers do not learn who the callers are',
  },
  { field: 'prompt_cache_key', outcome: 'drop', reason: 'tenants must not meet in a cache' },
] as const satisfies readonly Loss[];

/** Of a conversation in another dialect to a provider of chat completions. */
export const CHAT_TARGET_LOSSES = [
  {
    field: 'messages',
    outcome: 'refuse',
    reason: 'it does not continue an answer that the last message has begun',
  },
  { field: 'top_k', outcome: 'drop', reason: 'OpenAI does not know it' },
  { field: 'cache_control', outcome: 'drop', reason: 'OpenAI caches by itself' },
  {
    field: 'messages.content.is_error',
    outcome: 'drop',
    reason: 'a tool message says so in its text alone',
  },
  {
    field: 'messages.content.thinking',
    outcome: 'drop',
    reason: 'models of this dialect do not read earlier thinking',
  },
  {
    field: 'thinking',
    outcome: 'drop',
    reason: 'switched off: only some models take that, and the others fail on it',
  },
] as const satisfies readonly Loss[];

export type ChatTargetLoss = (typeof CHAT_TARGET_LOSSES)[number]['field'];

/** What the caller reads of a loss that is refused. */
export function refusalOf(field: string, reason: string): string {
  return `The provider of this model cannot serve '${field}': ${reason}.`;
}
