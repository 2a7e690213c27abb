/**
 * Watches an OpenAI chat stream on its way to the caller: bytes pass untouched but for the usage that
 * the caller did not ask for. It learns the usage, counts what was said for the case that none comes,
 * and knows whether the stream really finished: `[DONE]` after an error is not success.
 */
import * as z from 'zod/mini';
import { createTokenEstimate, type TokenUsage } from '../../usage/tokens.ts';
import { createSseParser, type SseEvent } from '../sse.ts';
import { forEachText } from './text.ts';
import { parseOpenAiUsage } from './usage.ts';

const chunkSchema = z.looseObject({
  error: z.optional(z.unknown()),
  usage: z.optional(z.unknown()),
  choices: z.optional(
    z.nullable(z.array(z.looseObject({ delta: z.optional(z.nullable(z.looseObject({}))) }))),
  ),
});

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
}

const NULL_USAGE = ',"usage":null';
const NOTHING = Buffer.alloc(0);

export function createChatStream({ wantsUsage }: { wantsUsage: boolean }): ChatStream {
  const parser = createSseParser();
  let begun = false;
  let failed = false;
  let done = false;
  let usage: TokenUsage | undefined;
  const said = createTokenEstimate();

  function relay(event: SseEvent): Buffer {
    if (failed || done || event.data === undefined) return NOTHING;
    if (event.data === '[DONE]') {
      done = true;
      return event.raw;
    }
    const chunk = parseChunk(event.data);
    if (chunk === undefined || chunk.error != null) {
      failed = true;
      return NOTHING;
    }
    begun = true;
    usage = parseOpenAiUsage(chunk.usage) ?? usage;
    for (const choice of chunk.choices ?? []) forEachText(choice.delta, said.add);
    return wantsUsage ? event.raw : withoutUsage(event, chunk);
  }

  return {
    push: (bytes) => joined(parser.push(bytes).map(relay)),
    hasBegun: () => begun,
    hasFailed: () => failed,
    isComplete: () => done && !failed,
    usage: () => usage,
    estimatedOutputTokens: said.tokens,
  };
}

function parseChunk(data: string): z.infer<typeof chunkSchema> | undefined {
  try {
    const parsed = chunkSchema.safeParse(JSON.parse(data));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** The usage-only chunk disappears; `"usage":null` is cut out of the others, which stay as they are. */
function withoutUsage(event: SseEvent, chunk: z.infer<typeof chunkSchema>): Buffer {
  if (chunk.usage === undefined) return event.raw;
  if ((chunk.choices ?? []).length === 0) return NOTHING;
  // Inside a JSON string the quotes would be escaped, so this text can only be the field itself.
  const text = event.raw.toString('utf8');
  if (chunk.usage === null && text.includes(NULL_USAGE))
    return Buffer.from(text.replace(NULL_USAGE, ''));
  const { usage: _hidden, ...rest } = chunk;
  return Buffer.from(`data: ${JSON.stringify(rest)}\n\n`);
}

function joined(parts: readonly Buffer[]): Buffer {
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}
