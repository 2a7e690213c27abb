/**
 * Tokens of one call by class, normalised once and without overlap: their sum is the whole call.
 * Undefined means that the provider did not say; never 0 for it. A parser writes 0 only where its
 * provider has no such class or says so.
 */
import type { BilledTool } from '../catalog/snapshot.ts';
import type { NanoUsd } from '../money.ts';

/** No call is of more tokens than the largest context that a policy may name. */
export const MAX_REPORTED = 100_000_000;

export interface TokenUsage {
  /** Text and image input that was neither read from the provider's cache nor written to it. */
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  /** Written to the cache for five minutes, or for the one duration that the provider has. */
  readonly cacheWrite5mTokens?: number | undefined;
  readonly cacheWrite1hTokens?: number | undefined;
  readonly audioInputTokens?: number | undefined;
  /** Text and reasoning; audio has its own class. */
  readonly outputTokens: number;
  /** Part of the output tokens; undefined where the provider does not tell. */
  readonly reasoningTokens: number | undefined;
  readonly audioOutputTokens?: number | undefined;
  /** Calls of the provider's own tools that are billed by the call. */
  readonly toolCalls?: Readonly<Partial<Record<BilledTool, number>>> | undefined;
  /** As the provider names the tier that served the call. */
  readonly serviceTier?: string | undefined;
  readonly batch?: boolean | undefined;
  /** What the provider says the call cost. Counts only where the route's price trusts it. */
  readonly reportedCost?: NanoUsd | undefined;
  /** The provider's own usage object. */
  readonly raw?: unknown;
  /** The provider has reported what it read and not yet all that it made: the output is the least it can be. */
  readonly isPartial?: boolean;
}

/** Everything that the provider read. */
export function totalInputTokens(usage: TokenUsage): number {
  const { cacheWrite5mTokens = 0, cacheWrite1hTokens = 0, audioInputTokens = 0 } = usage;
  const written = cacheWrite5mTokens + cacheWrite1hTokens;
  return usage.inputTokens + usage.cachedInputTokens + written + audioInputTokens;
}

/** Everything that the provider made. */
export function totalOutputTokens({ outputTokens, audioOutputTokens = 0 }: TokenUsage): number {
  return outputTokens + audioOutputTokens;
}

/** Counts tokens of a text that arrives in pieces, wherever it is cut. */
export interface TokenEstimate {
  add(text: string): void;
  tokens(): number;
}

/**
 * Tokens without a tokenizer, for calls whose provider reported no usage. Counts classes of characters;
 * against o200k it is within 10 % for English prose and code and about 15 % for Chinese and Spanish. It
 * never bounds a call, and what it settles is marked `estimated`.
 */
export function createTokenEstimate(): TokenEstimate {
  const seen = { words: 0, letters: 0, digits: 0, marks: 0, wide: 0 };
  let inWord = false;
  return {
    add(text) {
      for (let index = 0; index < text.length; index += 1) {
        const code = text.charCodeAt(index);
        const isLetter =
          (code >= 97 && code <= 122) ||
          (code >= 65 && code <= 90) ||
          (code >= 192 && code < 0x2e80);
        if (isLetter) {
          seen.letters += 1;
          if (!inWord) seen.words += 1;
        } else if (code >= 0x2e80) seen.wide += 1;
        else if (code >= 48 && code <= 57) seen.digits += 1;
        else if (code > 32) seen.marks += 1;
        inWord = isLetter;
      }
    },
    tokens: () =>
      Math.ceil(
        seen.words * 0.55 +
          seen.letters * 0.135 +
          seen.digits / 2.4 +
          seen.marks * 0.62 +
          seen.wide * 0.72,
      ),
  };
}
