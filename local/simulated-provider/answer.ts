/** What the provider says: always the same answer to the same request, one piece a token. */
import { createHash } from 'node:crypto';
import type { Behaviour } from './behaviour.ts';
import { type ChatRequest, countPromptTokens, textOf } from './chat-request.ts';
import { exampleOfSchema } from './example-of-schema.ts';

type FinishReason = 'stop' | 'length' | 'tool_calls';

export interface Choice {
  readonly kind: 'text' | 'tool-call';
  /** Text, or the tool call's arguments; one token each. */
  readonly pieces: readonly string[];
  readonly toolName: string;
  readonly finishReason: FinishReason;
  /** Tokens generated and billed but not shown. */
  readonly reasoningTokens: number;
}

export interface Answer {
  readonly choices: readonly Choice[];
  readonly promptTokens: number;
  readonly cachedTokens: number;
}

/** Some words are not ASCII, so that whoever cuts the stream between bytes shows it. */
const WORDS = [
  ...['the', 'gateway', 'counts', 'every', 'token', 'before', 'it', 'is', 'spent', 'and', 'after'],
  ...['a', 'team', 'budget', 'holds', 'answers', 'stream', 'while', 'models', 'think', 'naïve'],
  ...['Zürich', '東京', 'café', '🙂', 'costs', 'less', 'than', 'silence', 'so', 'ask', 'again'],
];
const MIN_TOKENS = 20;
const TOKENS_SPREAD = 41;
const FRAGMENT_CHARACTERS = 4;
const INFINITE_TOKENS = 100_000_000;
const IGNORED_MAX_FACTOR = 3;
/** OpenAI's rule: prompts from 1,024 tokens on are cached in steps of 128; here half of one is. */
const CACHE_MIN_TOKENS = 1024;
const CACHE_STEP_TOKENS = 128;

export function answerTo(request: ChatRequest, behaviour: Behaviour): Answer {
  const promptTokens = countPromptTokens(request);
  const cached = behaviour.cachedTokens ?? usuallyCached(promptTokens);
  const choices = Array.from({ length: request.n ?? 1 }, (_, index) =>
    choiceOf(request, behaviour, index),
  );
  return { choices, promptTokens, cachedTokens: Math.min(cached, promptTokens) };
}

function usuallyCached(promptTokens: number): number {
  if (promptTokens < CACHE_MIN_TOKENS) return 0;
  return Math.floor(promptTokens / 2 / CACHE_STEP_TOKENS) * CACHE_STEP_TOKENS;
}

function choiceOf(request: ChatRequest, behaviour: Behaviour, index: number): Choice {
  const limit = limitOf(request, behaviour);
  const reasoningTokens = Math.min(behaviour.reasoningTokens, limit);
  const tool = calledTool(request);
  const whole =
    tool === undefined
      ? textPieces(request, behaviour, index)
      : fragments(JSON.stringify(exampleOfSchema(tool.parameters ?? { type: 'object' })));
  const stopped = tool === undefined ? cutAtStop(whole, request.stop) : whole;
  const pieces = stopped.slice(0, limit - reasoningTokens);
  const finished = tool === undefined ? 'stop' : 'tool_calls';
  return {
    kind: tool === undefined ? 'text' : 'tool-call',
    toolName: tool?.name ?? '',
    pieces,
    reasoningTokens,
    finishReason: pieces.length < stopped.length ? 'length' : finished,
  };
}

function limitOf(request: ChatRequest, { fault }: Behaviour): number {
  const asked = request.max_completion_tokens ?? request.max_tokens ?? INFINITE_TOKENS;
  return fault === 'ignore-max' || fault === 'infinite' ? INFINITE_TOKENS : asked;
}

/** A tool is called once, for the user's words; its result is then answered in text. */
function calledTool({ tools, tool_choice: choice, messages }: ChatRequest) {
  if (!tools || choice === 'none' || messages.at(-1)?.role !== 'user') return undefined;
  const wanted = typeof choice === 'object' && choice !== null ? choice.function.name : undefined;
  return tools.find((tool) => wanted === undefined || tool.function.name === wanted)?.function;
}

function textPieces(request: ChatRequest, behaviour: Behaviour, index: number): readonly string[] {
  const format = request.response_format;
  if (format?.type === 'json_schema') {
    return fragments(JSON.stringify(exampleOfSchema(format.json_schema.schema ?? {})));
  }
  if (format?.type === 'json_object') return fragments('{"answer":"example"}');
  const seed = `${behaviour.seed}:${index}:${textOf(request.messages.at(-1)?.content)}`;
  const random = randomFrom(seed);
  const usual = MIN_TOKENS + Math.floor(random() * TOKENS_SPREAD);
  const count = behaviour.tokens ?? Math.max(usual, ignoredMax(request, behaviour));
  return Array.from({ length: count }, (_, position) => {
    const word = WORDS[Math.floor(random() * WORDS.length)] ?? '';
    return position === 0 ? word : ` ${word}`;
  });
}

function ignoredMax(request: ChatRequest, { fault }: Behaviour): number {
  const asked = request.max_completion_tokens ?? request.max_tokens ?? 0;
  return fault === 'ignore-max' ? Math.min(asked * IGNORED_MAX_FACTOR, 1_000_000) : 0;
}

function fragments(text: string): string[] {
  const characters = [...text];
  const count = Math.ceil(characters.length / FRAGMENT_CHARACTERS);
  return Array.from({ length: count }, (_, index) =>
    characters.slice(index * FRAGMENT_CHARACTERS, (index + 1) * FRAGMENT_CHARACTERS).join(''),
  );
}

function cutAtStop(pieces: readonly string[], stop: ChatRequest['stop']): readonly string[] {
  const stops = (typeof stop === 'string' ? [stop] : (stop ?? [])).filter((text) => text !== '');
  const text = pieces.join('');
  const places = stops.map((word) => text.indexOf(word)).filter((place) => place >= 0);
  if (places.length === 0) return pieces;
  let left = Math.min(...places);
  return pieces.flatMap((piece) => {
    const kept = piece.slice(0, Math.max(0, left));
    left -= piece.length;
    return kept === '' ? [] : [kept];
  });
}

/** A small seeded generator (xorshift32), uniform enough for words and split points. */
export function randomFrom(seed: string): () => number {
  let state = createHash('sha256').update(seed).digest().readUInt32LE() || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
