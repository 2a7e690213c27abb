/** Thinking and sampling of a conversation in the words of the model's generation; what does not fit is left out and named. */
import type { Target } from '../call.ts';
import type { Conversation } from '../conversation.ts';
import { type Generation, generationOf } from './generations.ts';

interface Tuned {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly outputConfig: { readonly effort?: string };
  readonly dropped: readonly string[];
}

/** Anthropic's least budget of thinking. */
const MIN_BUDGET_TOKENS = 1_024;

export function tuning(
  conversation: Conversation,
  { model, maxOutputTokens }: Pick<Target, 'model' | 'maxOutputTokens'>,
): Tuned {
  const generation = generationOf(model);
  const thought = thinkingOf(conversation, generation, maxOutputTokens);
  const sampled = samplingOf(conversation, {
    takesSampling: generation.takesSampling,
    isThinking:
      thought.fields.thinking !== undefined && thought.fields.thinking.type !== 'disabled',
  });
  const dropped = unnatural(conversation);
  return {
    fields: { ...thought.fields, ...sampled.fields },
    outputConfig: thought.outputConfig,
    dropped: [...dropped, ...thought.dropped, ...sampled.dropped],
  };
}

interface Thought {
  readonly fields: {
    readonly thinking?: { readonly type: string; readonly budget_tokens?: number };
  };
  readonly outputConfig: { readonly effort?: string };
  readonly dropped: readonly string[];
}

const NOTHING: Thought = { fields: {}, outputConfig: {}, dropped: [] };
const LEFT_OUT: Thought = { ...NOTHING, dropped: ['reasoning_effort'] };

function thinkingOf(
  { thinking, toolChoice, tools }: Conversation,
  generation: Generation,
  maxOutputTokens: number,
): Thought {
  if (thinking === undefined) return NOTHING;
  const effort = thinking.kind === 'effort' ? thinking.effort : undefined;
  const isOff = thinking.kind === 'off' || effort === 'none';
  const { thinks } = generation;
  if (isOff)
    return thinks === 'in-budget'
      ? NOTHING
      : { ...NOTHING, fields: { thinking: { type: 'disabled' } } };
  const isForced = toolChoice?.kind === 'required' || toolChoice?.kind === 'tool';
  if (isForced && tools.length > 0) return LEFT_OUT;
  if (thinks === 'adaptively') {
    const known = effort === undefined ? undefined : effortOf(effort, generation);
    return {
      ...NOTHING,
      fields: { thinking: { type: 'adaptive' } },
      outputConfig: known === undefined ? {} : { effort: known },
    };
  }
  const wanted = thinking.kind === 'budget' ? thinking.tokens : (BUDGETS[effort ?? ''] ?? 4_096);
  const budget = Math.min(wanted, maxOutputTokens - 1);
  return budget < MIN_BUDGET_TOKENS
    ? LEFT_OUT
    : { ...NOTHING, fields: { thinking: { type: 'enabled', budget_tokens: budget } } };
}

/** How long the efforts of other dialects let a model think that wants a budget. */
const BUDGETS: Readonly<Record<string, number>> = {
  minimal: 1_024,
  low: 1_024,
  medium: 4_096,
  high: 16_384,
  xhigh: 32_768,
  max: 65_536,
};

function effortOf(effort: string, { highEffort }: Generation): string {
  if (effort === 'minimal') return 'low';
  return effort === 'xhigh' ? highEffort : effort;
}

/** A model that thinks takes no temperature; the newest take no sampling parameters at all. */
function samplingOf(
  { temperature, topP, topK }: Conversation,
  { takesSampling, isThinking }: { takesSampling: boolean; isThinking: boolean },
): { fields: Readonly<Record<string, unknown>>; dropped: readonly string[] } {
  const fields: Record<string, unknown> = {};
  const dropped: string[] = [];
  const isFree = takesSampling && !isThinking;
  const put = (field: string, value: number | undefined, isTaken: boolean) => {
    if (value === undefined) return;
    if (isTaken) fields[field] = value;
    else dropped.push(field);
  };
  // Other dialects go up to 2; what is above 1 becomes the most that there is here.
  put('temperature', temperature === undefined ? undefined : Math.min(1, temperature), isFree);
  if (isFree && temperature !== undefined && temperature > 1) dropped.push('temperature');
  // Claude 4 models take one of the two.
  put('top_p', topP, isFree && temperature === undefined);
  put('top_k', topK, isFree);
  return { fields, dropped };
}

function unnatural({ seed, frequencyPenalty, presencePenalty, output }: Conversation): string[] {
  const given = { seed, frequency_penalty: frequencyPenalty, presence_penalty: presencePenalty };
  const names = Object.entries(given).flatMap(([name, value]) => (value == null ? [] : [name]));
  const isLax = output?.kind === 'schema' && output.strict === false;
  return isLax ? [...names, 'response_format.json_schema.strict'] : names;
}
