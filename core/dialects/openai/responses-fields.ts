/**
 * What the Responses dialect can say and not every provider can be told: refused where the answer would
 * mean something else without it, dropped and listed in `x-tollgate-dropped` where it only tunes.
 */
import type { InputItem, ResponsesBody } from './responses-request.ts';

export interface FieldRule {
  /** By the caller's name. */
  readonly field: string;
  /** `other dialects`: only where the provider does not speak this one. */
  readonly target: 'every provider' | 'other dialects';
  readonly action: 'refuse' | 'drop';
  readonly reason: string;
}

type Rule = FieldRule & { readonly applies: (body: ResponsesBody) => boolean };

const rule =
  (target: Rule['target'], action: Rule['action']) =>
  (field: string, reason: string, applies: Rule['applies']): Rule => ({
    field,
    target,
    action,
    reason,
    applies,
  });
const refusedEverywhere = rule('every provider', 'refuse');
const droppedEverywhere = rule('every provider', 'drop');
const refusedElsewhere = rule('other dialects', 'refuse');
const droppedElsewhere = rule('other dialects', 'drop');

const isSet = (value: unknown) => value !== undefined && value !== null && value !== false;
const asksLogprobs = ({ top_logprobs, include }: ResponsesBody) =>
  (top_logprobs ?? 0) > 0 || (include ?? []).includes('message.output_text.logprobs');
const items = ({ input }: ResponsesBody) => (typeof input === 'string' ? [] : input);
const usesCustomTools = (body: ResponsesBody) =>
  (body.tools ?? []).some(({ type }) => type === 'custom') ||
  items(body).some(({ type }) => type.startsWith('custom_tool_call'));
/** A message in the role of those who built the application. */
export function isInstruction(item: InputItem): item is Extract<InputItem, { type: 'message' }> {
  return item.type === 'message' && (item.role === 'system' || item.role === 'developer');
}
const instructsLater = (body: ResponsesBody) => {
  const all = items(body);
  const firstTurn = all.findIndex((item) => !isInstruction(item));
  return firstTurn !== -1 && all.slice(firstTurn).some(isInstruction);
};
const partsOf = (item: InputItem) => {
  const content = 'output' in item ? item.output : 'role' in item ? item.content : [];
  return typeof content === 'string' ? [] : content;
};
const hasDetail = (body: ResponsesBody) =>
  items(body)
    .flatMap<object>(partsOf)
    .some((part) => 'detail' in part && isSet(part.detail));
const describesFormat = ({ text }: ResponsesBody) =>
  text?.format?.type === 'json_schema' && isSet(text.format.description);
const choiceType = ({ tool_choice }: ResponsesBody) =>
  typeof tool_choice === 'object' ? tool_choice?.type : undefined;

export const RESPONSES_FIELDS: readonly Rule[] = [
  refusedEverywhere(
    'previous_response_id',
    'nothing is stored; send the whole conversation',
    (body) => isSet(body.previous_response_id),
  ),
  refusedEverywhere('conversation', 'nothing is stored; send the whole conversation', (body) =>
    isSet(body.conversation),
  ),
  refusedEverywhere('prompt', 'a prompt stored at the provider is another account’s', (body) =>
    isSet(body.prompt),
  ),
  refusedEverywhere('background', 'an answer that nobody waits for has no books', (body) =>
    isSet(body.background),
  ),
  droppedEverywhere('store', 'nothing is stored, whatever the caller says', ({ store }) =>
    isSet(store),
  ),
  droppedEverywhere('prompt_cache_key', 'callers share the provider’s account', (body) =>
    isSet(body.prompt_cache_key),
  ),
  droppedEverywhere('safety_identifier', 'users stay inside', (body) =>
    isSet(body.safety_identifier),
  ),
  refusedElsewhere('top_logprobs', 'no other dialect gives them', asksLogprobs),
  refusedElsewhere('tools', 'no other dialect has custom tools', usesCustomTools),
  refusedElsewhere('tool_choice', 'no other dialect has it', (body) =>
    ['custom', 'allowed_tools'].includes(choiceType(body) ?? ''),
  ),
  droppedElsewhere('text.verbosity', 'tunes the answer only', (body) =>
    isSet(body.text?.verbosity),
  ),
  droppedElsewhere(
    'input.role',
    'instructions behind the first turn stay in their place, as the user’s words',
    instructsLater,
  ),
  droppedElsewhere('input.content.detail', 'other providers choose the resolution', hasDetail),
  droppedElsewhere(
    'text.format.description',
    'other dialects describe a format in its schema',
    describesFormat,
  ),
  droppedElsewhere('reasoning.context', 'tunes the answer only', (body) =>
    isSet(body.reasoning?.context),
  ),
  droppedElsewhere(
    'max_tool_calls',
    'bounds tools of the provider, of which there are none',
    (body) => isSet(body.max_tool_calls),
  ),
  droppedElsewhere(
    'truncation',
    'a conversation that is too long is refused',
    (body) => body.truncation === 'auto',
  ),
  droppedElsewhere('prompt_cache_retention', 'other caches have other terms', (body) =>
    isSet(body.prompt_cache_retention),
  ),
];

/** The rules that refuse this body at such a provider. */
export function refusedFields(
  body: ResponsesBody,
  target: FieldRule['target'],
): readonly FieldRule[] {
  return rulesFor(body, target, 'refuse');
}

/** Names of the fields that such a provider does not get. */
export function droppedFields(body: ResponsesBody, target: FieldRule['target']): readonly string[] {
  return rulesFor(body, target, 'drop').map(({ field }) => field);
}

function rulesFor(
  body: ResponsesBody,
  target: FieldRule['target'],
  action: FieldRule['action'],
): readonly Rule[] {
  return RESPONSES_FIELDS.filter(
    (each) =>
      each.action === action &&
      (each.target === 'every provider' || each.target === target) &&
      each.applies(body),
  );
}
