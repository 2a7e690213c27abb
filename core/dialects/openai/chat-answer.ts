/** A chat answer that came whole: its usage, or an estimate of what it said. */
import * as z from 'zod/mini';
import { GatewayError } from '../../errors.ts';
import type { TokenUsage } from '../../usage/tokens.ts';
import { estimateTextTokens } from './text.ts';
import { parseOpenAiUsage } from './usage.ts';

const answerSchema = z.looseObject({
  choices: z.array(z.unknown()),
  usage: z.optional(z.unknown()),
  service_tier: z.optional(z.unknown()),
});

export interface ChatAnswer {
  readonly usage: TokenUsage | undefined;
  readonly estimatedOutputTokens: number;
}

/** Throws GatewayError `upstream_error` when the bytes are no chat completion (HTML, an empty body, a proxy's page). */
export function readChatAnswer(body: Buffer): ChatAnswer {
  const answer = answerSchema.safeParse(parseJson(body));
  if (!answer.success)
    throw new GatewayError(
      'upstream_error',
      'The provider answered with something that is not a chat completion.',
    );
  return {
    usage: parseOpenAiUsage(answer.data.usage, answer.data.service_tier),
    estimatedOutputTokens: estimateTextTokens(answer.data.choices),
  };
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
