import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createChatStream } from '../../../../core/dialects/openai/chat-stream.ts';
import { createTokenEstimate } from '../../../../core/usage/tokens.ts';

const USAGE = {
  prompt_tokens: 12,
  completion_tokens: 3,
  prompt_tokens_details: { cached_tokens: 4 },
  completion_tokens_details: { reasoning_tokens: 1 },
};

function chunk(content: string | undefined, extra: Record<string, unknown> = {}): string {
  const delta = content === undefined ? {} : { content };
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta }], usage: null, ...extra })}`;
}

function choice(index: number, finish_reason: string | null) {
  return { index, delta: { content: 'a' }, finish_reason };
}

/** One stream in an unusual but lawful dress: BOM, comments, CRLF, several kinds of letters. */
function wire(contents: readonly string[], newline: string): Buffer {
  const events = [
    '\uFEFF: hello',
    ...contents.map((content) => chunk(content)),
    ': ping',
    chunk(undefined, { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
    chunk(undefined, { choices: [], usage: USAGE }),
    'data: [DONE]',
  ];
  return Buffer.from(events.map((event) => event + newline + newline).join(''));
}

function relay(bytes: Buffer, cuts: readonly number[], wantsUsage: boolean) {
  const stream = createChatStream({ wantsUsage });
  const edges = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  const out = edges.slice(1).map((edge, index) => stream.push(bytes.subarray(edges[index], edge)));
  return { stream, text: Buffer.concat(out).toString('utf8') };
}

function said(text: string): string {
  const data = text
    .split(/\r?\n/)
    .flatMap((line) => (line.startsWith('data: {') ? [JSON.parse(line.slice(6))] : []));
  return data.map((each) => each.choices[0]?.delta.content ?? '').join('');
}

describe('a relayed chat stream', () => {
  it('tells the tier that served it with the usage', () => {
    const last = chunk(undefined, { choices: [], usage: USAGE, service_tier: 'priority' });
    const { stream } = relay(Buffer.from(`${last}\n\n`), [], true);
    expect(stream.usage()).toMatchObject({ inputTokens: 8, serviceTier: 'priority' });
  });

  it('is the same however its bytes are cut, and introduces no replacement character', () => {
    const contents = fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 6 });
    const cuts = fc.array(fc.nat(2_000), { maxLength: 40 });
    fc.assert(
      fc.property(
        contents,
        cuts,
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        (texts, at, newline, wantsUsage) => {
          const bytes = wire(texts, newline);
          const whole = relay(bytes, [], wantsUsage);
          const cut = relay(
            bytes,
            at.map((position) => position % bytes.length),
            wantsUsage,
          );
          expect(cut.text).toBe(whole.text);
          expect(said(cut.text)).toBe(texts.join(''));
          expect(cut.stream.isComplete()).toBe(true);
          expect(cut.stream.usage()).toMatchObject({
            inputTokens: 8,
            cachedInputTokens: 4,
            outputTokens: 3,
            reasoningTokens: 1,
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([true, false])('counts what repeated events say (usage wanted: %s)', (wantsUsage) => {
    const words = ['One', ' two', ' "three"', ' four', ' five', ', ,"usage":null', ' six.'];
    const { stream, text } = relay(wire(words, '\n'), [], wantsUsage);
    const estimate = createTokenEstimate();
    for (const word of words) estimate.add(word);
    expect(stream.estimatedOutputTokens()).toBe(estimate.tokens());
    expect(said(text)).toBe(words.join(''));
    expect(text.includes('"usage":null}')).toBe(wantsUsage);
  });

  it.each([
    ['cut', (data: string) => data.slice(0, -2)],
    ['an error beside its text', (data: string) => data.replace('"usage":null', '"error":{}')],
  ])('that brings an event like the last one but %s has failed', (_, broken) => {
    const events = [chunk('One'), chunk(' two'), broken(chunk(' three')), 'data: [DONE]'];
    const bytes = Buffer.from(events.map((each) => `${each}\n\n`).join(''));
    const { stream, text } = relay(bytes, [], true);
    expect([stream.hasFailed(), said(text)]).toEqual([true, 'One two']);
  });

  it('notices a finish reason in an event like the last one', () => {
    const events = ['a', 'b'].map((content) =>
      chunk(undefined, { choices: [{ index: 0, delta: { content }, finish_reason: null }] }),
    );
    const last = chunk(undefined, { choices: [choice(0, 'stop')] });
    const bytes = Buffer.from(
      [...events, last, 'data: [DONE]'].map((each) => `${each}\n\n`).join(''),
    );
    expect(relay(bytes, [], true).stream.isComplete()).toBe(true);
  });

  it('is the same for every single cut', () => {
    const bytes = wire(['Grüße, 世界 🙂', ' "usage":null '], '\n');
    const whole = relay(bytes, [], false).text;
    for (let at = 0; at <= bytes.length; at += 1)
      expect(relay(bytes, [at], false).text).toBe(whole);
  });

  it('passes untouched to the caller who asked for usage, and without any trace of it to the one who did not', () => {
    const bytes = wire(['Hi', 'talking of ,"usage":null too'], '\n');
    expect(said(relay(bytes, [], true).text)).toBe(said(relay(bytes, [], false).text));
    expect(relay(bytes, [], true).text).toContain('"usage":{"prompt_tokens":12');
    const hidden = relay(bytes, [], false).text;
    expect(hidden.replaceAll('\\"usage\\"', '')).not.toContain('"usage"');
    expect(hidden).toContain(',\\"usage\\":null too');
  });

  it('that brings an error and then [DONE] has failed, and neither is passed on', () => {
    const { stream, text } = relay(
      Buffer.from('data: {"error":{"message":"engine died"}}\n\ndata: [DONE]\n\n'),
      [],
      false,
    );
    expect([stream.hasFailed(), stream.isComplete(), stream.hasBegun(), text]).toEqual([
      true,
      false,
      false,
      '',
    ]);
  });

  it.each([
    ['text', '"12"'],
    ['negative', '-1'],
    ['fractional', '1.5'],
  ])('with %s usage has unknown usage, not zero', (_name, prompt) => {
    const { stream } = relay(
      Buffer.from(
        `data: {"choices":[],"usage":{"prompt_tokens":${prompt},"completion_tokens":2}}\n\n`,
      ),
      [],
      false,
    );
    expect(stream.usage()).toBeUndefined();
  });

  it.each([
    ['no choice at all', []],
    ['a choice without its finish reason', [choice(0, null)]],
    ['one of two choices still open', [choice(0, null), choice(1, null), choice(0, 'stop')]],
  ])('that is [DONE] with %s has failed, and its [DONE] is not passed on', (_, choices) => {
    const events = choices.map((each) => chunk(undefined, { choices: [each] }));
    const bytes = Buffer.from([...events, 'data: [DONE]'].map((each) => `${each}\n\n`).join(''));
    const { stream, text } = relay(bytes, [], true);
    expect([stream.hasFailed(), stream.isComplete()]).toEqual([true, false]);
    expect(text).not.toContain('[DONE]');
  });

  it('with repeated usage keeps the last, which is cumulative', () => {
    const usage = (tokens: number) =>
      chunk('x', { usage: { prompt_tokens: 5, completion_tokens: tokens } });
    const { stream } = relay(
      Buffer.from(`${usage(1)}\n\n${usage(2)}\n\n${chunk('y')}\n\n`),
      [],
      true,
    );
    expect(stream.usage()?.outputTokens).toBe(2);
  });

  it('of Azure begins with its first choice, and its verdict on the prompt is passed on', () => {
    const bytes = readFileSync(
      new URL('../../../fixtures/openai/azure-filter.sse', import.meta.url),
    );
    const verdict = bytes.indexOf('data: {"choices":[{');
    const stream = createChatStream({ wantsUsage: false });
    expect(stream.push(bytes.subarray(0, verdict)).toString()).toContain('prompt_filter_results');
    expect(stream.hasBegun()).toBe(false);
    const rest = stream.push(bytes.subarray(verdict)).toString();
    expect([stream.hasBegun(), stream.isComplete()]).toEqual([true, true]);
    expect(rest).not.toContain('"usage"');
  });

  it('keeps an event without choices whose usage is null', () => {
    const event = 'data: {"choices":[],"prompt_filter_results":[],"usage":null}\n\n';
    expect(relay(Buffer.from(event), [], false).text).toContain('prompt_filter_results');
  });

  it.each([
    'data: {"object":"error","message":"engine died","code":500}',
    'data: <html>',
    'data: [1]',
    'data: "text"',
    'data: {"choices":{}}',
    'data: {"choices":[3]}',
    'data: {"choices":[{"delta":"x"}]}',
  ])('that says %s has failed', (event) => {
    expect(relay(Buffer.from(`${event}\n\n`), [], false).stream.hasFailed()).toBe(true);
  });
});
