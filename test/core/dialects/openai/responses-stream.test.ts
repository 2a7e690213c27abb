import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readResponsesAnswer } from '../../../../core/dialects/openai/responses-answer.ts';
import { createResponsesStream } from '../../../../core/dialects/openai/responses-stream.ts';
import { GatewayError } from '../../../../core/errors.ts';

const HEALTHY = readFileSync('test/fixtures/openai/responses-stream.txt');

function event(type: string, fields: object, number = 9): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: number, ...fields })}\n\n`;
}

const CREATED = event('response.created', { response: { id: 'r', status: 'in_progress' } }, 0);

function pushed(...texts: string[]) {
  const stream = createResponsesStream();
  const out = texts.map((text) => stream.push(Buffer.from(text)).toString()).join('');
  return { stream, out };
}

const FACTS = {
  code: 'upstream_error',
  message: 'It broke.',
  gateway: { request_id: 'r' },
} as const;

describe('a Responses stream on its way', () => {
  it('passes untouched at every split of its bytes, and tells the usage', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }), (sizes) => {
        const stream = createResponsesStream();
        const parts: Buffer[] = [];
        for (let at = 0, turn = 0; at < HEALTHY.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          parts.push(stream.push(HEALTHY.subarray(at, at + size)));
          at += size;
        }
        expect(Buffer.concat(parts).equals(HEALTHY)).toBe(true);
        expect(stream.isComplete()).toBe(true);
        expect(stream.usage()).toMatchObject({
          inputTokens: 37 - 11,
          cachedInputTokens: 11,
          outputTokens: 26,
          reasoningTokens: 12,
        });
        expect(stream.estimatedOutputTokens()).toBeGreaterThan(5);
      }),
    );
  });

  it('has not begun while the provider only says that it works', () => {
    const { stream } = pushed(CREATED, event('response.in_progress', { response: {} }, 1));
    expect(stream.hasBegun()).toBe(false);
    stream.push(Buffer.from(event('response.output_item.added', { item: {} }, 2)));
    expect(stream.hasBegun()).toBe(true);
  });

  it.each([
    ['an error', event('error', { message: 'secret detail' })],
    ['a failed response', event('response.failed', { response: { error: { message: 'secret' } } })],
    ['junk', 'data: {"type":\n\n'],
    ['another dialect', 'data: {"choices":[]}\n\n'],
  ])('fails at %s, keeps its words back, and takes no success after it', (_, text) => {
    const { stream, out } = pushed(CREATED, text, event('response.completed', { response: {} }));
    expect([stream.hasFailed(), stream.isComplete()]).toEqual([true, false]);
    expect(out).toBe(CREATED);
    expect(stream.errorEvent?.(FACTS)).toMatch(
      /^event: error\ndata: \{"type":"error","sequence_number":1,/,
    );
  });

  it.each([
    ['a second answer begins within it', CREATED],
    ['it is completed with an item still open', event('response.completed', { response: {} }, 3)],
  ])('has failed when %s', (_, last) => {
    const added = event('response.output_item.added', { item: {} }, 2);
    const { stream, out } = pushed(CREATED, added, last);
    expect([stream.hasFailed(), stream.isComplete()]).toEqual([true, false]);
    expect(out).toBe(CREATED + added);
  });

  it('books the usage that a failed response reports', () => {
    const usage = { input_tokens: 5, output_tokens: 6 };
    const { stream } = pushed(CREATED, event('response.failed', { response: { usage } }));
    expect(stream.usage()).toMatchObject({ inputTokens: 5, outputTokens: 6 });
  });

  it('is complete when it was cut at its maximum, and not when its end is missing', () => {
    expect(
      pushed(CREATED, event('response.incomplete', { response: {} })).stream.isComplete(),
    ).toBe(true);
    expect(pushed(CREATED).stream.isComplete()).toBe(false);
  });
});

describe('a whole Responses answer', () => {
  it.each(['', '<html>', '{}', '{"status":"failed","output":[]}', '{"status":"completed"}'])(
    'is none when the bytes are %j',
    (body) => {
      expect(() => readResponsesAnswer(Buffer.from(body))).toThrow(GatewayError);
    },
  );

  it('is counted from its text when it reports no usage', () => {
    const output = [
      { type: 'message', content: [{ type: 'output_text', text: 'some words here' }] },
    ];
    const read = readResponsesAnswer(Buffer.from(JSON.stringify({ status: 'completed', output })));
    expect(read.usage).toBeUndefined();
    expect(read.estimatedOutputTokens).toBeGreaterThan(2);
  });
});
