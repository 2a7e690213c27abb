/** What a whole answer's events amount to: the usage they report, and how much they say. */
import { mergeUsage } from '../usage/merge-usage.ts';
import { createTokenEstimate, type TokenUsage } from '../usage/tokens.ts';
import type { AnswerEvent } from './answer.ts';
import type { WholeAnswer } from './call.ts';

export function heard(events: readonly AnswerEvent[]): Omit<WholeAnswer, 'body'> {
  const said = createTokenEstimate();
  let usage: TokenUsage | undefined;
  for (const event of events) {
    if (event.kind === 'usage') usage = mergeUsage(usage, event.usage);
    said.add(textOf(event));
  }
  return { usage, estimatedOutputTokens: said.tokens() };
}

/** The text of an event that a model made, whatever it is for. */
export function textOf(event: AnswerEvent): string {
  switch (event.kind) {
    case 'text':
    case 'refusal':
    case 'thinking':
      return event.text;
    case 'tool-call':
      return event.name;
    case 'tool-arguments':
      return event.json;
    default:
      return '';
  }
}
