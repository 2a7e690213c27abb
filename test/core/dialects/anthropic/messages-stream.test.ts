import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnswerEvent } from '../../../../core/dialects/answer.ts';
import { createMessagesDecoder } from '../../../../core/dialects/anthropic/decoder.ts';
import { createMessagesStream } from '../../../../core/dialects/anthropic/messages-stream.ts';
import { anthropicVoice } from '../../../../core/dialects/anthropic/voice.ts';
import { accumulated, sse } from './sse-text.ts';
import { STREAMS, streamOf } from './streams.ts';

function relayed(bytes: Buffer, cuts: readonly number[] = []) {
  const stream = createMessagesStream();
  const out = pieces(bytes, cuts).map((piece) => stream.push(piece));
  return { stream, text: Buffer.concat(out).toString('utf8') };
}

function decoded(bytes: Buffer, cuts: readonly number[] = []): AnswerEvent[] {
  const decoder = createMessagesDecoder();
  return pieces(bytes, cuts).flatMap((piece) => decoder.push(piece));
}

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const edges = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

function outcome({ stream }: ReturnType<typeof relayed>) {
  return { failed: stream.hasFailed(), complete: stream.isComplete() };
}

const WHOLE = streamOf('text').toString('utf8');

/** The events of the text stream, to cut and double. */
const EVENTS = WHOLE.split('\n\n')
  .filter((block) => block !== '')
  .map((block) => `${block}\n\n`);

function without(part: string): string {
  return EVENTS.filter((event) => !event.includes(part)).join('');
}

describe('a relayed stream', () => {
  it.each(STREAMS)('of %s passes byte for byte, at every cut', (name) => {
    const bytes = streamOf(name);
    for (let at = 0; at <= bytes.length; at += 1) {
      const result = relayed(bytes, [at]);
      expect(result.text).toBe(bytes.toString('utf8'));
      expect(outcome(result)).toEqual({ failed: false, complete: true });
    }
  });

  it('counts the deltas that repeat one another, and takes none for a block that has ended', () => {
    const [delta = ''] = EVENTS.filter((event) => event.includes('text_delta'));
    const [first = '', behind = ''] = WHOLE.split(delta);
    const doubled = (times: number) => relayed(Buffer.from(first + delta.repeat(times) + behind));
    const [one, many] = [doubled(1), doubled(400)];
    expect(outcome(many)).toEqual({ failed: false, complete: true });
    expect(many.stream.estimatedOutputTokens()).toBeGreaterThan(
      200 + one.stream.estimatedOutputTokens(),
    );
    const ended = EVENTS.find((event) => event.includes('content_block_stop')) ?? '';
    const late = relayed(Buffer.from(first + delta.repeat(3) + ended + delta));
    expect(outcome(late)).toEqual({ failed: true, complete: false });
  });

  it('knows the usage from its parts, with the writes to the cache by duration', () => {
    const { stream } = relayed(streamOf('text'));
    expect(stream.usage()).toMatchObject({
      inputTokens: 25,
      cachedInputTokens: 2048,
      cacheWrite5mTokens: 100,
      cacheWrite1hTokens: 200,
      outputTokens: 15,
    });
    expect(stream.usage()?.isPartial).toBeUndefined();
    expect(relayed(streamOf('thinking')).stream.usage()?.reasoningTokens).toBe(60);
  });

  it('takes the last numbers that are not null, of any message_delta', () => {
    const delta = (usage: Record<string, unknown>, stop_reason: string | null = null) =>
      sse({ type: 'message_delta', ...{ delta: { stop_reason }, usage } });
    const [start = ''] = EVENTS;
    const text =
      start +
      delta({ output_tokens: 5, input_tokens: 30, cache_read_input_tokens: null }) +
      delta({ output_tokens: 7, input_tokens: null }, 'end_turn') +
      sse({ type: 'message_stop' });
    const result = relayed(Buffer.from(text));
    expect(outcome(result)).toEqual({ failed: false, complete: true });
    expect(result.stream.usage()).toMatchObject({
      inputTokens: 30,
      cachedInputTokens: 2048,
      outputTokens: 7,
    });
  });

  it('keeps the exact input of a stream that broke off, and says that the output is not final', () => {
    const { stream } = relayed(Buffer.from(EVENTS.slice(0, 5).join('')));
    expect(stream.isComplete()).toBe(false);
    expect(stream.usage()).toMatchObject({ inputTokens: 25, outputTokens: 1, isPartial: true });
    expect(stream.estimatedOutputTokens()).toBeGreaterThan(3);
  });

  it('begins with the first content, and not with message_start or a ping', () => {
    const stream = createMessagesStream();
    stream.push(Buffer.from(EVENTS[0] ?? ''));
    stream.push(Buffer.from(sse({ type: 'ping' })));
    expect(stream.hasBegun()).toBe(false);
    stream.push(Buffer.from(EVENTS[1] ?? ''));
    expect(stream.hasBegun()).toBe(true);
  });

  it('may come after and between signs of life', async () => {
    const ping = anthropicVoice.keepAlive.toString('utf8');
    const message = await accumulated(ping + EVENTS.join(ping));
    expect(message.content).toMatchObject([{ text: 'Grüße, 世界 🙂!' }]);
  });

  it('lets events pass that nobody knows yet', () => {
    const text = EVENTS.toSpliced(2, 0, sse({ type: 'new_thing' })).join('');
    expect(relayed(Buffer.from(text)).text).toBe(text);
  });

  const overloaded = sse({
    type: 'error',
    ...{ error: { type: 'overloaded_error', message: 'Overloaded' } },
  });
  const faults: Readonly<Record<string, string>> = {
    'an error after content': `${EVENTS.slice(0, 5).join('')}${overloaded}`,
    'an error and then an ending': `${EVENTS.slice(0, 5).join('')}${overloaded}${EVENTS.slice(5).join('')}`,
    'a second message_start': EVENTS.toSpliced(4, 0, EVENTS[0] ?? '').join(''),
    'two streams in one': `${EVENTS.slice(0, 5).join('')}${WHOLE}`,
    'no message_stop': without('"message_stop"'),
    'no message_delta': without('"message_delta"'),
    'no end of a block': without('"content_block_stop"'),
    'no message_start': without('"message_start"'),
    'a delta of no block': without('"content_block_start"'),
    'junk within': EVENTS.toSpliced(3, 0, 'data: <html>\n\n').join(''),
    'an event without a type': EVENTS.toSpliced(3, 0, 'data: {}\n\n').join(''),
    'half of it': WHOLE.slice(0, WHOLE.length / 2),
  };

  it.each(Object.entries(faults))('never looks finished with %s', async (_, text) => {
    const result = relayed(Buffer.from(text));
    expect(result.stream.isComplete()).toBe(false);
    expect(result.text).not.toContain('message_stop');
    const events = decoded(Buffer.from(text));
    const end = events.findIndex(({ kind }) => kind === 'end');
    const error = events.findIndex(({ kind }) => kind === 'error');
    expect(end === -1 || (error !== -1 && error < end)).toBe(true);
    await expect(accumulated(result.text)).rejects.toThrow();
  });

  it('does not say what a provider’s error said', () => {
    const quoting = sse({ type: 'error', ...{ error: { type: 'api_error', message: 'CANARY' } } });
    const events = decoded(Buffer.from(`${EVENTS[0]}${quoting}`));
    expect(events.at(-1)).toEqual({ kind: 'error', cause: 'api_error' });
  });
});

describe('a decoded stream', () => {
  it('is text with its usage', () => {
    const events = decoded(streamOf('text'));
    expect(events.map(({ kind }) => kind)).toEqual([
      'begin',
      'usage',
      'text',
      'text',
      'stop',
      'usage',
      'end',
    ]);
    expect(events.at(-2)).toMatchObject({ usage: { inputTokens: 25, outputTokens: 15 } });
  });

  it('is thinking with its signature, and what was redacted', () => {
    expect(decoded(streamOf('thinking')).slice(2, 7)).toEqual([
      { kind: 'thinking', text: 'Let me solve this step by step:\n\n1. 27 * 453' },
      { kind: 'thinking', text: '\n2. 12231' },
      { kind: 'thinking-signature', signature: 'EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk' },
      { kind: 'redacted-thinking', data: 'EmwKAhgBEgy3va3pzix' },
      { kind: 'text', text: '27 * 453 = 12,231' },
    ]);
  });

  it('counts tools from zero, whatever blocks are before them', () => {
    const events = decoded(streamOf('tools')).filter(({ kind }) => kind.startsWith('tool'));
    expect(events).toEqual([
      {
        kind: 'tool-call',
        index: 0,
        id: 'toolu_01T1x1fJ34qAmk2tNTrN7Up6',
        name: 'get_weather',
      },
      { kind: 'tool-arguments', index: 0, json: '{"location":' },
      { kind: 'tool-arguments', index: 0, json: ' "San Francisco, CA"}' },
      { kind: 'tool-call', index: 1, id: 'toolu_02', name: 'get_time' },
      { kind: 'tool-arguments', index: 1, json: '{"zone": "PST"}' },
    ]);
  });

  it('fails at content that no other dialect can say', () => {
    const block = { type: 'server_tool_use', id: 's', name: 'web_search', input: {} };
    const start = sse({ type: 'content_block_start', ...{ index: 0, content_block: block } });
    expect(decoded(Buffer.from(`${EVENTS[0]}${start}`)).at(-1)).toMatchObject({ kind: 'error' });
  });

  it('is the same however its bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...STREAMS),
        fc.array(fc.nat(3_000), { maxLength: 40 }),
        (name, at) => {
          const bytes = streamOf(name);
          const cuts = at.map((position) => position % bytes.length);
          expect(decoded(bytes, cuts)).toEqual(decoded(bytes));
        },
      ),
      { numRuns: 500 },
    );
  });
});
