/** A chat answer that came whole: its usage, or an estimate of what it said, and why it ended. */
import { GatewayError } from '../../errors.ts';
import type { WholeAnswer } from '../call.ts';
import { isRecord, parseRecord } from './record.ts';
import { estimateTextTokens } from './text.ts';
import { parseOpenAiUsage } from './usage.ts';

/** Throws GatewayError `upstream_error` when the bytes are no chat completion (HTML, an empty body, a proxy's page). */
export function readChatAnswer(body: Buffer): Omit<WholeAnswer, 'body'> {
  const { choices, usage, service_tier } = parseRecord(body.toString('utf8')) ?? {};
  if (!Array.isArray(choices))
    throw new GatewayError(
      'upstream_error',
      'The provider answered with something that is not a chat completion.',
    );
  return {
    usage: parseOpenAiUsage(usage, service_tier),
    estimatedOutputTokens: estimateTextTokens(choices),
    stopReason: finishOf(choices[0]),
  };
}

function finishOf(choice: unknown): string | undefined {
  const finish = isRecord(choice) ? choice['finish_reason'] : undefined;
  return typeof finish === 'string' ? finish : undefined;
}
