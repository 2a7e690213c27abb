/**
 * One call as the request path sees it, whatever dialect it came in. A dialect's parser builds it from the
 * body; the request path bounds, reserves and relays without knowing a field of any dialect. It never
 * decides where a call goes or what it may cost.
 */
import type { CacheWrites } from '../usage/cost.ts';
import type { TokenUsage } from '../usage/tokens.ts';
import type { AnswerEvent } from './answer.ts';
import type { Conversation } from './conversation.ts';
import type { Dialect } from './dialect.ts';
import type { ChatRules } from './openai/chat-rules.ts';
import type { Voice } from './voice.ts';

export interface Call {
  readonly dialect: Dialect;
  /** How this caller is told of errors, limits and silence. */
  readonly voice: Voice;
  readonly alias: string;
  readonly stream: boolean;
  /** The caller's own maximum; undefined where the policy's default applies. Zero where there is no output to bound. */
  readonly maxOutputTokens: number | undefined;
  /** Answers asked for at once; each may be as long as the maximum. */
  readonly choices: number;
  /** Upper bound of the input tokens that the bytes of the body do not bound: images, and what providers add for tools. */
  readonly tokensBesideText: number;
  /** What the provider may write to its cache for this call: a write of an hour costs twice the input. */
  readonly cacheWrites: CacheWrites;
  readonly tags: Readonly<Record<string, string>>;
  readonly endUser: string | undefined;
  /** Absent: the model answers. A count is not billed: it takes requests of the limits, and neither tokens nor money. */
  readonly task?: 'count-tokens';
  /** Headers for a provider of the same dialect, from the caller's by an allow-list. The provider's own win. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Tokens of the input as counted here, for providers that report none. Walks the whole body. */
  estimatedInputTokens(): number;
  /** The exchange with a provider of the same dialect: bytes pass but for what must change. */
  pass(target: Target): Exchange;
  /** What another dialect needs to say the same; absent where only the same dialect can serve the call. */
  readonly translation?: Translation;
  /** The gateway's own answer, where no route of the model speaks the dialect. */
  ownAnswer?(): string;
}

/** What of the call the provider gets to see in the gateway's own words. */
export interface Target {
  readonly dialect: Dialect;
  /** The model's name at the provider. */
  readonly model: string;
  readonly maxOutputTokens: number;
  /** What the provider's servers call the maximum in chat completions; absent where they know both names. */
  readonly maxTokensField?: 'max_tokens' | 'max_completion_tokens';
  /** Fields that the provider's kind adds to the body, such as a cache salt. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** How this server's chat requests differ from OpenAI's own; absent where they do not. */
  readonly chatRules?: ChatRules;
}

/** One call to one provider: the body to send, and how to read what comes back. */
export interface Exchange {
  /** Text, or the bytes of a long one in parts. */
  readonly body: string | readonly Uint8Array[];
  /** Fields of the caller's body that the provider cannot express and that were left out, by a table in the docs. */
  readonly dropped: readonly string[];
  stream(): AnswerStream;
  /** Throws GatewayError `upstream_error` when the bytes are no answer in the provider's dialect. */
  whole(body: Buffer): WholeAnswer;
}

export interface WholeAnswer {
  /** What the caller gets. */
  readonly body: Buffer;
  readonly usage: TokenUsage | undefined;
  readonly estimatedOutputTokens: number;
  /** Why it ended, in the provider's own word; undefined where it did not say. */
  readonly stopReason: string | undefined;
}

/** A streamed answer on its way: the provider's bytes in, the caller's bytes out. */
export interface AnswerStream {
  /** The bytes to send on for these bytes from the provider; whole events only. */
  push(chunk: Uint8Array): Buffer;
  /** True from the first event that carries content: now the status may be committed. */
  hasBegun(): boolean;
  hasFailed(): boolean;
  /** True when the provider closed the stream as its dialect demands. */
  isComplete(): boolean;
  usage(): TokenUsage | undefined;
  /** Tokens of the answer as counted from its text. */
  estimatedOutputTokens(): number;
  /** As of a whole answer; of several choices the first that ended. */
  stopReason(): string | undefined;
  /** The gateway's error as this stream's next event, where the voice alone cannot know what that looks like. */
  readonly errorEvent?: ErrorEvent;
}

type ErrorEvent = Voice['errorEvent'];

/** The caller's side of a translation. */
interface Translation {
  /** Throws GatewayError `invalid_request` naming the field that no other dialect can express. */
  conversation(): Conversation;
  /** A stream in the caller's dialect, event by event. `model` is the alias that the caller named. */
  encoder(context: AnswerContext): AnswerEncoder;
  /** A whole answer in the caller's dialect. */
  render(events: readonly AnswerEvent[], context: AnswerContext): string;
}

export interface AnswerContext {
  readonly requestId: string;
  readonly model: string;
  /** Epoch seconds. */
  readonly createdAtSeconds: number;
}

export interface AnswerEncoder {
  /** The text to send for this event; empty where it says nothing yet. */
  encode(event: AnswerEvent): string;
  /** As of the stream. */
  readonly errorEvent?: ErrorEvent;
}

/** A call in the words of another dialect. */
export interface Encoded extends Pick<Exchange, 'dropped'> {
  readonly body: string;
}

/** The provider's side of a translation. */
export interface Outbound {
  /** Throws GatewayError `invalid_request` naming the field that this dialect cannot express. */
  encode(conversation: Conversation, target: Target & { readonly stream: boolean }): Encoded;
  decoder(): AnswerDecoder;
  /** Throws GatewayError `upstream_error` when the bytes are no answer in this dialect. */
  decodeWhole(body: Buffer): readonly AnswerEvent[];
}

export interface AnswerDecoder {
  /** The events that these bytes complete. Junk is an event of kind `error`. */
  push(chunk: Uint8Array): readonly AnswerEvent[];
}
