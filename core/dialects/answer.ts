/**
 * An answer between dialects: what a provider said, event by event, in no dialect's words. A whole answer
 * is the list of its events. Decoders make them from a provider's bytes, encoders tell them to the caller.
 */
import type { TokenUsage } from '../usage/tokens.ts';

export type AnswerEvent =
  /** First of all. The provider's id of the answer, where it gives one. */
  | { readonly kind: 'begin'; readonly id: string | undefined }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'refusal'; readonly text: string }
  | { readonly kind: 'thinking'; readonly text: string }
  /** Closes the thinking before it; opaque, and wanted back in the next turn. */
  | { readonly kind: 'thinking-signature'; readonly signature: string }
  | { readonly kind: 'redacted-thinking'; readonly data: string }
  /** A tool call begins. `index` counts the tool calls of the answer from zero. */
  | {
      readonly kind: 'tool-call';
      readonly index: number;
      readonly id: string;
      readonly name: string;
    }
  /** The next piece of the arguments' JSON text. Several calls may take turns. */
  | { readonly kind: 'tool-arguments'; readonly index: number; readonly json: string }
  /** `word` is the provider's own for the reason. */
  | {
      readonly kind: 'stop';
      readonly reason: StopReason;
      readonly stopSequence?: string;
      readonly word?: string;
    }
  /** What has been used so far, cumulative; later ones replace earlier ones. */
  | { readonly kind: 'usage'; readonly usage: TokenUsage }
  /** The provider failed, or said something that is not its dialect. Nothing follows. */
  | { readonly kind: 'error'; readonly cause: string }
  /** The provider closed the answer as its dialect demands. Nothing follows. */
  | { readonly kind: 'end' };

export type StopReason =
  | 'end'
  | 'max-tokens'
  | 'stop-sequence'
  | 'tool-calls'
  | 'refusal'
  | 'content-filter'
  | 'pause'
  | 'context-exceeded';
