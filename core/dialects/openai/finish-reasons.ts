/** Why an answer ended, in the words of chat completions and in no dialect's. */
import type { StopReason } from '../answer.ts';

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'function_call';

/** What was said until then; it decides where one word of the dialect has several meanings. */
export interface Said {
  readonly refusal: boolean;
  readonly toolCalls: boolean;
}

/**
 * By the dialect's word. Servers that are compatible with OpenAI have words of their own; one that is not
 * here (`abort`, `error`, `insufficient_system_resource`) says that the answer broke off.
 */
const STOP_REASONS: Readonly<Record<string, StopReason>> = {
  stop: 'end',
  eos: 'end',
  eos_token: 'end',
  end_turn: 'end',
  stop_sequence: 'stop-sequence',
  length: 'max-tokens',
  max_tokens: 'max-tokens',
  model_length: 'context-exceeded',
  tool_calls: 'tool-calls',
  tool_use: 'tool-calls',
  function_call: 'tool-calls',
  content_filter: 'content-filter',
};

/** Undefined when the word says that the answer is broken. */
export function stopReason(finishReason: string, said: Said): StopReason | undefined {
  const reason = Object.hasOwn(STOP_REASONS, finishReason) ? STOP_REASONS[finishReason] : undefined;
  if (reason !== 'end') return reason;
  // A call of a tool that the caller demanded ends with `stop`, and so does a refusal.
  if (said.toolCalls) return 'tool-calls';
  return said.refusal ? 'refusal' : 'end';
}

export function finishReason(reason: StopReason, said: Said): FinishReason {
  switch (reason) {
    case 'end':
    case 'stop-sequence':
    case 'pause':
      return 'stop';
    case 'max-tokens':
    case 'context-exceeded':
      return 'length';
    case 'tool-calls':
      return 'tool_calls';
    case 'refusal':
      // OpenAI ends a refusal that stands in the answer like any answer; without words it was filtered.
      return said.refusal ? 'stop' : 'content_filter';
    case 'content-filter':
      return 'content_filter';
  }
}
