/** A Responses answer that came whole: its usage, or an estimate of what it said, and why it ended. */
import * as z from 'zod/mini';
import { GatewayError } from '../../errors.ts';
import type { WholeAnswer } from '../call.ts';
import { isRecord } from './record.ts';
import { parseResponsesUsage } from './responses-usage.ts';
import { estimateTextTokens } from './text.ts';

/** An answer that ended: `failed` is the provider's failure in the clothes of a success. */
const answerSchema = z.looseObject({
  status: z.enum(['completed', 'incomplete']),
  output: z.array(z.unknown()),
});

/** Throws GatewayError `upstream_error` when the bytes are no response that ended. */
export function readResponsesAnswer(body: Buffer): Omit<WholeAnswer, 'body'> {
  const answer = answerSchema.safeParse(parseJson(body));
  if (!answer.success)
    throw new GatewayError(
      'upstream_error',
      'The provider answered with something that is not a finished response.',
    );
  return {
    usage: parseResponsesUsage(answer.data),
    estimatedOutputTokens: estimateTextTokens(answer.data.output),
    stopReason: endOfResponse(answer.data),
  };
}

/** The reason where it is incomplete, else its status: this API has no other word for an end. */
export function endOfResponse(response: unknown): string | undefined {
  if (!isRecord(response)) return undefined;
  const { status, incomplete_details: details } = response;
  const word = isRecord(details) ? details['reason'] : status;
  return typeof word === 'string' ? word : undefined;
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
