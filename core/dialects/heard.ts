/** What a whole answer's events amount to: the usage they report, how much they say and why they end. */
import { mergeUsage } from '../usage/merge-usage.ts';
import { createTokenEstimate, type TokenUsage } from '../usage/tokens.ts';
import type { AnswerEvent } from './answer.ts';
import type { WholeAnswer } from './call.ts';

export function heard(events: readonly AnswerEvent[]): Omit<WholeAnswer, 'body'> {
  const said = createTokenEstimate();
  let usage: TokenUsage | undefined;
  let stopReason: string | undefined;
  for (const event of events) {
    if (event.kind === 'usage') usage = mergeUsage(usage, event.usage);
    if (event.kind === 'stop') stopReason = event.word;
    said.add(textOf(event));
  }
  return { usage, estimatedOutputTokens: said.tokens(), stopReason };
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
