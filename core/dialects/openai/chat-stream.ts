/**
 * Watches an OpenAI chat stream on its way to the caller: bytes pass untouched but for the usage that
 * the caller did not ask for. It learns the usage, counts what was said for the case that none comes,
 * and knows whether the stream really finished: `[DONE]` after an error, or before every choice has its
 * finish reason, is not success.
 */
import { mergeUsage } from '../../usage/merge-usage.ts';
import { createTokenEstimate, type TokenUsage } from '../../usage/tokens.ts';
import { joined } from '../joined.ts';
import { createRepeats } from '../repeats.ts';
import { createSseParser, type SseEvent } from '../sse.ts';
import { isErrorChunk } from './chat-decoder.ts';
import { type Fields, isRecord, parseRecord } from './record.ts';
import { forEachText } from './text.ts';
import { parseOpenAiUsage } from './usage.ts';

/** What of a chunk is looked at; the rest is the caller's. */
interface Chunk {
  readonly isError: boolean;
  readonly usage: unknown;
  readonly choices: readonly Choice[];
  readonly whole: Fields;
}

interface Choice {
  readonly delta: unknown;
  readonly index: unknown;
  /** Null or absent until it has ended. */
  readonly finish: unknown;
}

export interface ChatStream {
  /** The bytes to send on for these bytes from the provider; whole events only. */
  push(chunk: Uint8Array): Buffer;
  /** True from the first event that carries content: now the status may be committed. */
  hasBegun(): boolean;
  hasFailed(): boolean;
  /** True when the provider closed the stream as the dialect demands. */
  isComplete(): boolean;
  usage(): TokenUsage | undefined;
  /** Tokens of the answer as counted from its text. */
  estimatedOutputTokens(): number;
  /** Of the first choice that ended. */
  stopReason(): string | undefined;
}

const NULL_USAGE = ',"usage":null';
const NOTHING = Buffer.alloc(0);

export function createChatStream({ wantsUsage }: { wantsUsage: boolean }): ChatStream {
  const parser = createSseParser();
  let begun = false;
  let failed = false;
  let done = false;
  let usage: TokenUsage | undefined;
  let stopReason: string | undefined;
  const said = createTokenEstimate();
  /** Choices by their index: true once one has its finish reason. */
  const stopped = new Map<unknown, boolean>();
  const repeats = createRepeats('content');
  /** Of the event that is repeated. */
  let hasNullUsage = false;

  function close(raw: Buffer): Buffer {
    done = stopped.size > 0 && [...stopped.values()].every(Boolean);
    failed = !done;
    return done ? raw : NOTHING;
  }

  function relay(event: SseEvent): Buffer {
    if (failed || done || event.data === undefined) return NOTHING;
    if (event.data === '[DONE]') return close(event.raw);
    const repeated = repeats.read(event.data);
    if (repeated !== undefined) {
      said.add(repeated);
      return wantsUsage || !hasNullUsage ? event.raw : withoutNull(event.raw);
    }
    const chunk = parseChunk(event.data);
    if (chunk === undefined || chunk.isError) {
      failed = true;
      return NOTHING;
    }
    // Azure's verdict on the prompt comes before the model has said anything.
    begun ||= chunk.choices.length > 0 || chunk.usage != null;
    usage = mergeUsage(usage, parseOpenAiUsage(chunk.usage, chunk.whole['service_tier']));
    for (const { index, delta, finish } of chunk.choices) {
      stopped.set(index, finish != null || stopped.get(index) === true);
      if (typeof finish === 'string') stopReason ??= finish;
      forEachText(delta, said.add);
    }
    learn(event.data, chunk);
    return wantsUsage ? event.raw : withoutUsage(event, chunk);
  }

  /** A repeat must change nothing but what was said. */
  function learn(data: string, { choices, usage: reported }: Chunk): void {
    const text = choices.length === 1 ? onlyText(choices[0]) : undefined;
    hasNullUsage = reported === null;
    const isPlain = reported === undefined || (hasNullUsage && data.includes(NULL_USAGE));
    repeats.learn(isPlain ? text : undefined, data);
  }

  return {
    push: (bytes) => joined(parser.push(bytes).map(relay)),
    hasBegun: () => begun,
    hasFailed: () => failed,
    isComplete: () => done && !failed,
    usage: () => usage,
    estimatedOutputTokens: said.tokens,
    stopReason: () => stopReason,
  };
}

/** By hand, because a schema would copy every event of every stream; undefined when it is no chunk. */
function parseChunk(data: string): Chunk | undefined {
  const whole = parseRecord(data);
  if (whole === undefined) return undefined;
  const { usage, choices } = whole;
  const isError = isErrorChunk(whole);
  if (choices == null) return { isError, usage, choices: [], whole };
  if (!Array.isArray(choices)) return undefined;
  const read: Choice[] = [];
  for (const choice of choices) {
    if (!isRecord(choice)) return undefined;
    const { index, delta, finish_reason: finish } = choice;
    if (delta != null && typeof delta !== 'object') return undefined;
    read.push({ index, delta, finish });
  }
  return { isError, usage, choices: read, whole };
}

/** What the choice says, where it says nothing beside its content and goes on. */
function onlyText(choice: Choice | undefined): string | undefined {
  if (choice?.finish != null || !isRecord(choice?.delta)) return undefined;
  const { content, ...others } = choice.delta;
  const isAlone = Object.entries(others).every(
    ([name, value]) => name === 'role' || value === null,
  );
  return isAlone && typeof content === 'string' ? content : undefined;
}

/** The usage-only chunk disappears; `"usage":null` is cut out of the others, which stay as they are. */
function withoutUsage(event: SseEvent, { usage, choices, whole }: Chunk): Buffer {
  if (usage === undefined) return event.raw;
  if (choices.length === 0 && usage !== null) return NOTHING;
  if (usage === null && event.data?.includes(NULL_USAGE) === true) return withoutNull(event.raw);
  const { usage: _hidden, ...rest } = whole;
  return Buffer.from(`data: ${JSON.stringify(rest)}\n\n`);
}

/** Inside a JSON string the quotes would be escaped, so this text can only be the field itself. */
function withoutNull(raw: Buffer): Buffer {
  return Buffer.from(raw.toString('utf8').replace(NULL_USAGE, ''));
}
