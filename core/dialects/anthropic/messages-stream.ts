/** An Anthropic stream on its way to a caller of the same dialect: the bytes pass, and are watched for how it ends. */
import { createTokenEstimate } from '../../usage/tokens.ts';
import type { AnswerStream } from '../call.ts';
import { joined } from '../joined.ts';
import { createRepeats } from '../repeats.ts';
import { createSseParser, type SseEvent } from '../sse.ts';
import { createStreamWatch, type StreamEvent } from './stream-watch.ts';

const NOTHING = Buffer.alloc(0);

export function createMessagesStream(): AnswerStream {
  const parser = createSseParser();
  const watch = createStreamWatch();
  const said = createTokenEstimate();
  const repeats = createRepeats('text');
  let begun = false;
  let failed = false;
  let done = false;
  let stopReason: string | undefined;

  function relay({ raw, data }: SseEvent): Buffer {
    if (failed || done) return NOTHING;
    if (data === undefined) return raw;
    const repeated = repeats.read(data);
    if (repeated !== undefined) {
      said.add(repeated);
      return raw;
    }
    const event = watch.read(data);
    repeats.learn(onlyText(event), data);
    switch (event.kind) {
      case 'broken':
        failed = true;
        return NOTHING;
      case 'stop':
        done = true;
        return raw;
      case 'start':
      case 'other':
        return raw;
      default:
        begun = true;
        if (event.kind === 'message-delta') stopReason = event.stopReason ?? stopReason;
        hear(event, said.add);
        return raw;
    }
  }

  return {
    push: (bytes) => joined(parser.push(bytes).map(relay)),
    hasBegun: () => begun,
    hasFailed: () => failed,
    isComplete: () => done,
    usage: watch.usage,
    estimatedOutputTokens: said.tokens,
    stopReason: () => stopReason,
  };
}

/** What the event says, where it brings text to a block and nothing else. */
function onlyText(event: StreamEvent): string | undefined {
  if (event.kind !== 'delta' || Object.keys(event.delta).length !== 2) return undefined;
  const { type, text } = event.delta;
  return type === 'text_delta' && typeof text === 'string' ? text : undefined;
}

const TEXT_FIELDS = ['text', 'thinking', 'partial_json'] as const;

/** What the event says, for an answer whose provider does not count to its end. */
function hear(event: StreamEvent, add: (text: string) => void): void {
  if (event.kind === 'block' && typeof event.block['name'] === 'string') add(event.block['name']);
  if (event.kind !== 'delta') return;
  for (const field of TEXT_FIELDS) {
    const text = event.delta[field];
    if (typeof text === 'string') add(text);
  }
}
