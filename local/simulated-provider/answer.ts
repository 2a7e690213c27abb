/** What the model says: always the same answer to the same question, one piece a token. */
import { createHash } from 'node:crypto';
import type { Behaviour } from './behaviour.ts';
import { exampleOfSchema } from './example-of-schema.ts';
import type { OfferedTool, Question } from './question.ts';

export type End = 'stop' | 'stop-sequence' | 'length' | 'tool-calls' | 'refusal';

export type Block =
  | { readonly kind: 'text' | 'refusal'; readonly pieces: readonly string[] }
  /** The pieces are the JSON text of the arguments. */
  | { readonly kind: 'tool-call'; readonly name: string; readonly pieces: readonly string[] };

export interface Choice {
  /** Generated and billed before anything else; a dialect shows it or not. */
  readonly thinking: readonly string[];
  readonly blocks: readonly Block[];
  readonly end: End;
  readonly stopSequence: string | undefined;
}

export interface Answer {
  readonly choices: readonly Choice[];
  readonly promptTokens: number;
  /** Read from the cache, written to it for five minutes, and for an hour; all part of promptTokens. */
  readonly cachedTokens: number;
  readonly cacheWrites: { readonly '5m': number; readonly '1h': number };
}

/** Prefixes that were marked before. */
export interface PromptCache {
  has(prefix: string): boolean;
  add(prefix: string): void;
}

/** Some words are not ASCII, so that whoever cuts the stream between bytes shows it. */
const WORDS = [
  ...['the', 'gateway', 'counts', 'every', 'token', 'before', 'it', 'is', 'spent', 'and', 'after'],
  ...['a', 'team', 'budget', 'holds', 'answers', 'stream', 'while', 'models', 'think', 'naïve'],
  ...['Zürich', '東京', 'café', '🙂', 'costs', 'less', 'than', 'silence', 'so', 'ask', 'again'],
];
const REFUSAL = ['I', ' cannot', ' help', ' with', ' that', '.'];
const MIN_TOKENS = 20;
const TOKENS_SPREAD = 41;
const THINKING_TOKENS = 12;
const FRAGMENT_CHARACTERS = 4;
const INFINITE_TOKENS = 100_000_000;
const IGNORED_MAX_FACTOR = 3;
/** OpenAI's rule: prompts from 1,024 tokens on are cached in steps of 128; here half of one is. */
const CACHE_MIN_TOKENS = 1024;
const CACHE_STEP_TOKENS = 128;

export interface AnswerFacts {
  readonly behaviour: Behaviour;
  readonly cache: PromptCache;
  /** The dialect caches by itself, without marks. */
  readonly cachesAlone: boolean;
}

export function answerTo(question: Question, facts: AnswerFacts): Answer {
  const choices = Array.from({ length: question.choices }, (_, index) =>
    choiceOf(question, facts.behaviour, index),
  );
  return { choices, promptTokens: question.promptTokens, ...cachedOf(question, facts) };
}

export function tokensOf({ choices }: Pick<Answer, 'choices'>): number {
  return choices.reduce(
    (sum, { thinking, blocks }) =>
      blocks.reduce((total, { pieces }) => total + pieces.length, sum + thinking.length),
    0,
  );
}

export function thinkingTokensOf({ choices }: Pick<Answer, 'choices'>): number {
  return choices.reduce((sum, { thinking }) => sum + thinking.length, 0);
}

function cachedOf(
  { promptTokens, cacheMarks }: Question,
  { behaviour, cache, cachesAlone }: AnswerFacts,
): Pick<Answer, 'cachedTokens' | 'cacheWrites'> {
  const none = { '5m': 0, '1h': 0 };
  const told = behaviour.cachedTokens;
  if (told !== undefined || cachesAlone) {
    const cached = told ?? usuallyCached(promptTokens);
    return { cachedTokens: Math.min(cached, promptTokens), cacheWrites: none };
  }
  const marks = cacheMarks.filter(({ tokens }) => tokens >= CACHE_MIN_TOKENS);
  const read = marks.findLast(({ prefix }) => cache.has(prefix))?.tokens ?? 0;
  const writes = { ...none };
  let upTo = read;
  for (const { prefix, tokens, ttl } of marks) {
    cache.add(prefix);
    writes[ttl] += Math.max(0, tokens - upTo);
    upTo = Math.max(upTo, tokens);
  }
  return { cachedTokens: read, cacheWrites: writes };
}

function usuallyCached(promptTokens: number): number {
  if (promptTokens < CACHE_MIN_TOKENS) return 0;
  return Math.floor(promptTokens / 2 / CACHE_STEP_TOKENS) * CACHE_STEP_TOKENS;
}

function choiceOf(question: Question, behaviour: Behaviour, index: number): Choice {
  const limit = limitOf(question, behaviour);
  const wanted = behaviour.reasoningTokens ?? (question.thinks ? THINKING_TOKENS : 0);
  const seed = `${behaviour.seed}:${index}:${question.lastText}`;
  const thinking = words(`thinking:${seed}`, Math.min(wanted, limit));
  const { blocks, end, stopSequence } = said(question, behaviour, seed);
  const cut = cutAt(blocks, limit - thinking.length);
  return { thinking, blocks: cut.blocks, end: cut.wasCut ? 'length' : end, stopSequence };
}

function said(question: Question, behaviour: Behaviour, seed: string): Omit<Choice, 'thinking'> {
  const stopSequence = undefined;
  if (behaviour.fault === 'refusal') {
    return { blocks: [{ kind: 'refusal', pieces: REFUSAL }], end: 'refusal', stopSequence };
  }
  const called = calledTools(question, behaviour);
  if (called.length > 0) {
    const preamble = words(seed, behaviour.preamble);
    const calls = called.map(({ name, schema }) => {
      return { kind: 'tool-call' as const, name, pieces: fragments(exampleOfSchema(schema)) };
    });
    const before = preamble.length > 0 ? [{ kind: 'text' as const, pieces: preamble }] : [];
    return { blocks: [...before, ...calls], end: 'tool-calls', stopSequence };
  }
  const whole = textPieces(question, behaviour, seed);
  const stopped = cutAtStop(whole, question.stop);
  return {
    blocks: [{ kind: 'text', pieces: stopped.pieces }],
    end: stopped.at === undefined ? 'stop' : 'stop-sequence',
    stopSequence: stopped.at,
  };
}

function limitOf({ maxTokens }: Question, { fault }: Behaviour): number {
  return fault === 'ignore-max' || fault === 'infinite'
    ? INFINITE_TOKENS
    : (maxTokens ?? INFINITE_TOKENS);
}

/** Tools are called once, for the user's words; their results are then answered in text. */
function calledTools(question: Question, behaviour: Behaviour): readonly OfferedTool[] {
  const { tools, toolChoice, mayCallTools, parallel } = question;
  if (toolChoice === 'none' || !mayCallTools) return [];
  const offered =
    typeof toolChoice === 'object' ? tools.filter(({ name }) => name === toolChoice.name) : tools;
  const calls = offered.length === 0 ? 0 : parallel ? behaviour.calls : 1;
  return Array.from({ length: calls }, (_, index) => offered[index % offered.length]).flatMap(
    (tool) => tool ?? [],
  );
}

function textPieces(question: Question, behaviour: Behaviour, seed: string): readonly string[] {
  const { output, lastImages } = question;
  if (output === 'json') return fragments({ answer: 'example' });
  if (output !== 'text') return fragments(exampleOfSchema(output.schema));
  const random = randomFrom(seed);
  const usual = MIN_TOKENS + Math.floor(random() * TOKENS_SPREAD);
  const count = behaviour.tokens ?? Math.max(usual, ignoredMax(question, behaviour));
  const seen = lastImages === 0 ? [] : ['I', ' see', ` ${lastImages}`, ' image.'];
  const rest = spoken(random, count);
  return [...seen, ...rest.slice(seen.length)].slice(0, count);
}

function words(seed: string, count: number): readonly string[] {
  return spoken(randomFrom(seed), count);
}

function spoken(random: () => number, count: number): readonly string[] {
  return Array.from({ length: count }, (_, position) => {
    const word = WORDS[Math.floor(random() * WORDS.length)] ?? '';
    return position === 0 ? word : ` ${word}`;
  });
}

function ignoredMax({ maxTokens = 0 }: Question, { fault }: Behaviour): number {
  return fault === 'ignore-max' ? Math.min(maxTokens * IGNORED_MAX_FACTOR, 1_000_000) : 0;
}

function fragments(value: unknown): string[] {
  const characters = [...JSON.stringify(value)];
  const count = Math.ceil(characters.length / FRAGMENT_CHARACTERS);
  return Array.from({ length: count }, (_, index) =>
    characters.slice(index * FRAGMENT_CHARACTERS, (index + 1) * FRAGMENT_CHARACTERS).join(''),
  );
}

function cutAt(
  blocks: readonly Block[],
  limit: number,
): { readonly blocks: readonly Block[]; readonly wasCut: boolean } {
  let left = limit;
  let wasCut = false;
  const kept = blocks.flatMap((block, index) => {
    const pieces = block.pieces.slice(0, left);
    wasCut ||= pieces.length < block.pieces.length;
    left -= pieces.length;
    return pieces.length === 0 && index > 0 ? [] : [{ ...block, pieces }];
  });
  return { blocks: kept, wasCut };
}

function cutAtStop(
  pieces: readonly string[],
  stops: readonly string[],
): { readonly pieces: readonly string[]; readonly at: string | undefined } {
  const text = pieces.join('');
  const places = stops
    .filter((stop) => stop !== '' && text.includes(stop))
    .map((stop) => ({ stop, place: text.indexOf(stop) }))
    .sort((a, b) => a.place - b.place);
  const [first] = places;
  if (first === undefined) return { pieces, at: undefined };
  let left = first.place;
  const kept = pieces.flatMap((piece) => {
    const part = piece.slice(0, Math.max(0, left));
    left -= piece.length;
    return part === '' ? [] : [part];
  });
  return { pieces: kept, at: first.stop };
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
