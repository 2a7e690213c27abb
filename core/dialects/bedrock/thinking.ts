/** How much a model is to think, in the words of its family. */
import type { Thinking } from '../conversation.ts';
import { type Draft, drop } from './draft.ts';

interface ThinkingSettings {
  /** True where the model thinks before it speaks, and then takes no sampling settings. */
  readonly thinks: boolean;
  /** Of `outputConfig`. */
  readonly effort?: string;
  readonly additional?: Readonly<Record<string, unknown>>;
}

/** Claude's own least budget. */
const MIN_BUDGET = 1_024;

/** Share of the maximum of output tokens that each effort leaves for thinking, where the model wants a number. */
const BUDGET_SHARE: Readonly<Record<string, number>> = {
  low: 0.2,
  medium: 0.5,
  high: 0.8,
  xhigh: 0.8,
  max: 0.8,
};

export function thinkingSettings(
  thinking: Thinking | undefined,
  maxOutputTokens: number,
  draft: Draft,
): ThinkingSettings {
  if (thinking === undefined) return { thinks: false };
  switch (draft.rules.family) {
    case 'claude':
      return claudeThinking(thinking, maxOutputTokens, draft);
    case 'nova':
    case 'gpt-oss':
      return effortThinking(thinking, draft);
    case 'mistral':
    case 'other':
      if (!isOff(thinking)) drop(draft, 'thinking');
      return { thinks: false };
  }
}

function isOff(thinking: Thinking): boolean {
  return thinking.kind === 'off' || (thinking.kind === 'effort' && thinking.effort === 'none');
}

function claudeThinking(
  thinking: Thinking,
  maxOutputTokens: number,
  draft: Draft,
): ThinkingSettings {
  if (isOff(thinking)) return { thinks: false, additional: { thinking: { type: 'disabled' } } };
  const { thinksAdaptively } = draft.rules;
  switch (thinking.kind) {
    case 'off':
      return { thinks: false };
    case 'budget':
      return budget(thinking.tokens);
    case 'adaptive':
      return thinksAdaptively ? adaptive() : shareOfMaximum('medium', maxOutputTokens, draft);
    case 'effort':
      return thinksAdaptively
        ? { ...adaptive(), effort: thinking.effort === 'minimal' ? 'low' : thinking.effort }
        : shareOfMaximum(thinking.effort, maxOutputTokens, draft);
  }
}

function adaptive(): ThinkingSettings {
  return { thinks: true, additional: { thinking: { type: 'adaptive' } } };
}

function budget(tokens: number): ThinkingSettings {
  return { thinks: true, additional: { thinking: { type: 'enabled', budget_tokens: tokens } } };
}

function shareOfMaximum(effort: string, maxOutputTokens: number, draft: Draft): ThinkingSettings {
  const tokens = Math.max(MIN_BUDGET, Math.floor(maxOutputTokens * (BUDGET_SHARE[effort] ?? 0)));
  if (tokens < maxOutputTokens) return budget(tokens);
  drop(draft, 'thinking');
  return { thinks: false };
}

/** Nova and gpt-oss know three efforts and no budget. */
function effortThinking(thinking: Thinking, draft: Draft): ThinkingSettings {
  if (isOff(thinking)) return { thinks: false };
  if (thinking.kind === 'budget') {
    drop(draft, 'thinking');
    return { thinks: false };
  }
  const effort = knownEffort(thinking.kind === 'effort' ? thinking.effort : 'medium');
  const additional =
    draft.rules.family === 'nova'
      ? { reasoningConfig: { type: 'enabled', maxReasoningEffort: effort } }
      : { reasoning_effort: effort };
  return { thinks: false, additional };
}

function knownEffort(effort: string): string {
  if (effort === 'minimal') return 'low';
  return effort === 'xhigh' || effort === 'max' ? 'high' : effort;
}
