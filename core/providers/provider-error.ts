/**
 * What a provider says is wrong, from the error bodies of all kinds: OpenAI's and Anthropic's object with a
 * message, a bare text in its place (vLLM's door), AWS's flat message with its kind in a header, and the
 * `detail` of common server frameworks. Lenient: junk is an error without a message.
 */
import { asRecord, asText, parseRecord } from '../dialects/json-record.ts';
import type { UpstreamResponse } from './upstream.ts';

export interface ProviderError {
  /** The provider's own code or kind, such as `context_length_exceeded` or `ValidationException`. */
  readonly kind: string | undefined;
  /** Fit for callers: bounded, and without the names of our own resources. */
  readonly message: string | undefined;
}

const MAX_MESSAGE = 500;
const MAX_KIND = 100;

export function readProviderError(
  headers: UpstreamResponse['headers'],
  body: Buffer,
): ProviderError {
  const whole = parseRecord(body.toString('utf8'));
  const error = asRecord(whole?.['error']);
  const message =
    asText(error?.['message']) ??
    asText(whole?.['error']) ??
    asText(whole?.['message']) ??
    asText(whole?.['Message']) ??
    asText(whole?.['detail']);
  // The header goes on after a colon with an address.
  const awsKind = headers['x-amzn-errortype']?.split(':')[0];
  const kind = awsKind ?? asText(error?.['code']) ?? asText(error?.['type']);
  return {
    kind: kind?.slice(0, MAX_KIND),
    message: message === undefined ? undefined : forCallers(message),
  };
}

/** True when the prompt is too long, in the words of the kinds that have no code for it. */
export function isTooLong({ kind, message = '' }: ProviderError): boolean {
  return kind === 'context_length_exceeded' || TOO_LONG.test(message);
}

/** OpenAI and vLLM; Anthropic; Bedrock, in the words of its families of models. */
const TOO_LONG =
  /maximum context length|prompt is too long|input is too long|too many input tokens|exceeds? the (?:model's )?context/i;

/** True when the fault lies in how the route names its model, although the provider calls it the request's. */
export function isRouteFault({ message = '' }: ProviderError): boolean {
  return /model identifier is invalid|on-demand throughput isn.t supported/i.test(message);
}

function forCallers(message: string): string {
  return message.replace(/\barn:[^\s"'<>,]+/g, '(a resource)').slice(0, MAX_MESSAGE);
}
