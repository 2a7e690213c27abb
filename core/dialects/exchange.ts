/**
 * How one call is put to one provider: untouched where both speak the same dialect, translated both ways
 * where they do not. A translation is a decoder of the provider's bytes and an encoder of the caller's.
 */

import { GatewayError } from '../errors.ts';
import { mergeUsage } from '../usage/merge-usage.ts';
import { createTokenEstimate, type TokenUsage } from '../usage/tokens.ts';
import type { AnswerEvent } from './answer.ts';
import type {
  AnswerContext,
  AnswerDecoder,
  AnswerEncoder,
  AnswerStream,
  Call,
  Exchange,
  Target,
} from './call.ts';
import type { Dialect } from './dialect.ts';
import { heard, textOf } from './heard.ts';
import { refuseImageAddresses } from './openai/chat-rules.ts';
import { OUTBOUND } from './outbound.ts';

/** The dialect in which a provider is asked: the caller's own where it speaks it; undefined when it cannot serve the call. */
export function dialectFor(call: Call, speaks: readonly Dialect[]): Dialect | undefined {
  if (speaks.includes(call.dialect)) return call.dialect;
  if (call.translation === undefined) return undefined;
  return speaks.find((dialect) => OUTBOUND[dialect] !== undefined);
}

/** Throws GatewayError `invalid_request` naming the field that the provider's dialect cannot express. */
export async function openExchange(
  call: Call,
  target: Target,
  context: AnswerContext,
): Promise<Exchange> {
  if (target.dialect === call.dialect) return call.pass(target);
  const outbound = await OUTBOUND[target.dialect]?.();
  const { translation } = call;
  if (outbound === undefined || translation === undefined) {
    throw new GatewayError('invalid_request', 'This model cannot be called in this dialect.', {
      param: 'model',
    });
  }
  const conversation = translation.conversation();
  refuseImageAddresses(conversation, target.chatRules);
  const { body, dropped } = outbound.encode(conversation, { ...target, stream: call.stream });
  return {
    body,
    dropped: [...(conversation.leftOut ?? []), ...dropped],
    stream: () => translatedStream(outbound.decoder(), translation.encoder(context)),
    whole: (answer) => {
      const events = outbound.decodeWhole(answer);
      return { ...heard(events), body: Buffer.from(translation.render(events, context)) };
    },
  };
}

function translatedStream(decoder: AnswerDecoder, encoder: AnswerEncoder): AnswerStream {
  const said = createTokenEstimate();
  let begun = false;
  let failed = false;
  let complete = false;
  let usage: TokenUsage | undefined;
  let stopReason: string | undefined;

  function take(event: AnswerEvent): string {
    if (failed || complete) return '';
    switch (event.kind) {
      case 'error':
        failed = true;
        return '';
      case 'end':
        complete = true;
        break;
      case 'usage':
        usage = mergeUsage(usage, event.usage);
        break;
      case 'begin':
        break;
      case 'stop':
        begun = true;
        stopReason = event.word;
        break;
      default:
        begun = true;
        said.add(textOf(event));
    }
    return encoder.encode(event);
  }

  return {
    push: (chunk) => Buffer.from(decoder.push(chunk).map(take).join('')),
    hasBegun: () => begun,
    hasFailed: () => failed,
    isComplete: () => complete,
    usage: () => usage,
    estimatedOutputTokens: said.tokens,
    stopReason: () => stopReason,
    ...(encoder.errorEvent === undefined ? {} : { errorEvent: encoder.errorEvent }),
  };
}
