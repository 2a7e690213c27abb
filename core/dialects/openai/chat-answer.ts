/** A chat answer that came whole: its usage, or an estimate of what it said, and why it ended. */
import * as z from 'zod/mini';
import { GatewayError } from '../../errors.ts';
import type { WholeAnswer } from '../call.ts';
import { isRecord } from './record.ts';
import { estimateTextTokens } from './text.ts';
import { parseOpenAiUsage } from './usage.ts';

const answerSchema = z.looseObject({
  choices: z.array(z.unknown()),
  usage: z.optional(z.unknown()),
  service_tier: z.optional(z.unknown()),
});

/** Throws GatewayError `upstream_error` when the bytes are no chat completion (HTML, an empty body, a proxy's page). */
export function readChatAnswer(body: Buffer): Omit<WholeAnswer, 'body'> {
  const answer = answerSchema.safeParse(parseJson(body));
  if (!answer.success)
    throw new GatewayError(
      'upstream_error',
      'The provider answered with something that is not a chat completion.',
    );
  return {
    usage: parseOpenAiUsage(answer.data.usage, answer.data.service_tier),
    estimatedOutputTokens: estimateTextTokens(answer.data.choices),
    stopReason: finishOf(answer.data.choices[0]),
  };
}

function finishOf(choice: unknown): string | undefined {
  const finish = isRecord(choice) ? choice['finish_reason'] : undefined;
  return typeof finish === 'string' ? finish : undefined;
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
