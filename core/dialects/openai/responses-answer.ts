/** A Responses answer that came whole: its usage, or an estimate of what it said. */
import * as z from 'zod/mini';
import { GatewayError } from '../../errors.ts';
import type { TokenUsage } from '../../usage/tokens.ts';
import { parseResponsesUsage } from './responses-usage.ts';
import { estimateTextTokens } from './text.ts';

/** An answer that ended: `failed` is the provider's failure in the clothes of a success. */
const answerSchema = z.looseObject({
  status: z.enum(['completed', 'incomplete']),
  output: z.array(z.unknown()),
});

/** Throws GatewayError `upstream_error` when the bytes are no response that ended. */
export function readResponsesAnswer(body: Buffer): {
  readonly usage: TokenUsage | undefined;
  readonly estimatedOutputTokens: number;
} {
  const answer = answerSchema.safeParse(parseJson(body));
  if (!answer.success)
    throw new GatewayError(
      'upstream_error',
      'The provider answered with something that is not a finished response.',
    );
  return {
    usage: parseResponsesUsage(answer.data),
    estimatedOutputTokens: estimateTextTokens(answer.data.output),
  };
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
