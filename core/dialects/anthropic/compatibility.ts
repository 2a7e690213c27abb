/**
 * What becomes of fields that one side of a translation does not have: refused where the answer would mean
 * something else, left out and named in `x-tollgate-dropped` where they only tune. docs/compatibility.md
 * shows these tables.
 */
import type { BlockParam, MessagesRequest } from './messages-schema.ts';

interface Row {
  readonly field: string;
  readonly outcome: 'refused' | 'dropped';
  readonly reason: string;
}

/** Of an Anthropic request, where the provider speaks another dialect. */
export const FROM_ANTHROPIC: readonly (Row & { isUsed?(body: MessagesRequest): boolean })[] = [
  {
    field: 'service_tier',
    outcome: 'dropped',
    reason: 'tiers are a provider’s own',
    isUsed: ({ service_tier }) => service_tier !== undefined && service_tier !== 'auto',
  },
  {
    field: 'cache_control',
    outcome: 'dropped',
    reason: 'no other dialect places the mark by itself; marks on blocks are translated',
    isUsed: ({ cache_control }) => cache_control != null,
  },
  {
    field: 'context_management',
    outcome: 'dropped',
    reason: 'only spares tokens of a long conversation',
    isUsed: ({ context_management }) => context_management != null,
  },
  {
    field: 'thinking.display',
    outcome: 'dropped',
    reason: 'whether thinking is shown is the provider’s choice',
    isUsed: ({ thinking }) =>
      thinking !== undefined && 'display' in thinking && thinking.display != null,
  },
  {
    field: 'thinking',
    outcome: 'dropped',
    reason: 'of the type `between_tools`, which no other dialect has',
    isUsed: ({ thinking }) => thinking?.type === 'between_tools',
  },
  {
    field: 'messages.content.citations',
    outcome: 'dropped',
    reason: 'sources of earlier answers; the cited text stays',
    isUsed: (body) =>
      someBlock(body, (block) => block.type === 'text' && (block.citations?.length ?? 0) > 0),
  },
  {
    field: 'messages.content.transformations',
    outcome: 'dropped',
    reason: 'whether large images are scaled down is the provider’s choice',
    isUsed: (body) =>
      someBlock(body, (block) => block.type === 'image' && block.transformations != null),
  },
  {
    field: 'messages.role',
    outcome: 'dropped',
    reason: 'a system message between turns stays at its place as the user’s words',
    isUsed: ({ messages }) => messages.some(({ role }) => role === 'system'),
  },
  {
    field: 'tools.input_examples',
    outcome: 'dropped',
    reason: 'examples only help the model',
    isUsed: ({ tools }) =>
      tools?.some(({ input_examples }) => input_examples !== undefined) === true,
  },
  {
    field: 'tools.eager_input_streaming',
    outcome: 'dropped',
    reason: 'only changes how arguments are cut into events',
    isUsed: ({ tools }) =>
      tools?.some(
        (tool) => 'eager_input_streaming' in tool && tool.eager_input_streaming === true,
      ) === true,
  },
  {
    field: 'tools.defer_loading',
    outcome: 'dropped',
    reason: 'without tool search every tool is there from the start',
    isUsed: ({ tools }) => tools?.some(({ defer_loading }) => defer_loading === true) === true,
  },
  { field: 'tools of a type but custom', outcome: 'refused', reason: 'Anthropic defines them' },
  { field: 'search_result blocks', outcome: 'refused', reason: 'no other dialect cites' },
  { field: 'citations', outcome: 'refused', reason: 'no other dialect cites' },
];

function someBlock({ messages }: MessagesRequest, is: (block: BlockParam) => boolean): boolean {
  return messages.some(({ content }) => typeof content !== 'string' && content.some(is));
}

/** Names of the request's fields that no other dialect has and that only tune. */
export function leftOut(body: MessagesRequest): string[] {
  return FROM_ANTHROPIC.flatMap(({ field, isUsed }) => (isUsed?.(body) === true ? [field] : []));
}

/**
 * Of a conversation in another dialect, where the provider speaks Anthropic. What no other dialect can say
 * at all is settled by the caller's own.
 */
export const TO_ANTHROPIC: readonly Row[] = [
  {
    field: 'response_format',
    outcome: 'refused',
    reason: 'a JSON object without a schema: Anthropic’s output needs one (`json_schema`)',
  },
  { field: 'stop', outcome: 'refused', reason: 'a stop sequence of nothing but white space' },
  {
    field: 'messages',
    outcome: 'refused',
    reason: 'arguments of an earlier tool call that are not the JSON text of an object',
  },
  { field: 'seed', outcome: 'dropped', reason: 'only tunes' },
  { field: 'frequency_penalty', outcome: 'dropped', reason: 'only tunes' },
  { field: 'presence_penalty', outcome: 'dropped', reason: 'only tunes' },
  {
    field: 'temperature',
    outcome: 'dropped',
    reason:
      'above 1 it is sent as 1; a model that thinks or takes no sampling parameters gets none',
  },
  {
    field: 'top_p',
    outcome: 'dropped',
    reason: 'on a model that thinks, takes no sampling parameters, or beside a temperature',
  },
  { field: 'top_k', outcome: 'dropped', reason: 'as temperature' },
  {
    field: 'reasoning_effort',
    outcome: 'dropped',
    reason: 'beside a forced tool, or where the maximum of output tokens leaves no room to think',
  },
  {
    field: 'messages.content.thinking',
    outcome: 'dropped',
    reason: 'thinking that no Claude model signed is taken for forged',
  },
  {
    field: 'response_format.json_schema.strict',
    outcome: 'dropped',
    reason: 'Anthropic always keeps to the schema',
  },
];
