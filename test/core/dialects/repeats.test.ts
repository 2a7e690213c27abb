import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRepeats } from '../../../core/dialects/repeats.ts';

function event(content: string, obfuscation?: string): string {
  const choices = [{ index: 0, delta: { content }, finish_reason: null }];
  return JSON.stringify({ id: 'c', choices, usage: null, obfuscation });
}

/** Has seen the event of the text. */
function learned(text: string, padding?: string) {
  const repeats = createRepeats('content');
  repeats.learn(text, event(text, padding));
  return repeats;
}

/** All that the event says but its text and its padding. */
function frameOf(data: string): unknown {
  const { obfuscation, ...parsed } = JSON.parse(data);
  parsed.choices[0].delta.content = '';
  return { ...parsed, isPadded: obfuscation !== undefined };
}

describe('an event that follows another', () => {
  it.each([
    ['without padding', undefined, undefined],
    ['with padding of another length', 'Xa81kq', 'u'],
    ['with padding that is empty', 'Xa81kq', ''],
  ])('repeats it with another text %s', (_, first, second) => {
    expect(learned('Hello', first).read(event(' wörld, 世界 🙂', second))).toBe(' wörld, 世界 🙂');
    expect(learned('', first).read(event('Hello', second))).toBe('Hello');
    expect(learned('Hello', first).read(event('', second))).toBe('');
  });

  it.each([
    ['an escaped quote', event('say "no"')],
    ['an escaped line feed', event('\n')],
    ['a raw line feed, which is no JSON', event('a').replace('"a"', '"a\n"')],
    ['a cut text', event('a').slice(0, event('a').indexOf('"a"') + 2)],
    ['a cut end', event('a').slice(0, -1)],
    ['more behind its end', `${event('a')} `],
    ['another field', event('a').replace('"usage":null', '"usage":{}')],
    ['padding that only it has', event('a', 'x')],
  ])('is no repeat with %s', (_, data) => {
    expect(learned('Hello').read(event('a'))).toBe('a');
    expect(learned('Hello').read(data)).toBeUndefined();
  });

  it('is no repeat with a cut or escaped padding', () => {
    const repeats = learned('Hello', 'Xa');
    expect(repeats.read(event('a', 'b'))).toBe('a');
    expect(repeats.read(event('a', '"'))).toBeUndefined();
    expect(repeats.read(event('a', 'b').slice(0, -2))).toBeUndefined();
  });

  it('repeats nothing before one is learned, or when the last one was more than a text', () => {
    expect(createRepeats('content').read(event('a'))).toBeUndefined();
    const repeats = learned('Hello');
    repeats.learn(undefined, event('a'));
    expect(repeats.read(event('a'))).toBeUndefined();
  });

  it('repeats nothing where two fields have the name of the text, or its text is written with escapes', () => {
    const twice = (text: string) => JSON.stringify({ content: 'x', delta: { content: text } });
    const repeats = createRepeats('content');
    repeats.learn('x', twice('x'));
    expect(repeats.read(twice('y'))).toBeUndefined();
    expect(learned('say "no"').read(event('a'))).toBeUndefined();
  });

  it('is told to repeat only if it is JSON that says the same but for its text, whatever was done to it', () => {
    const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }));
    const padding = fc.option(fc.string({ maxLength: 4 }), { nil: undefined });
    const edit = fc.record({
      at: fc.nat(),
      cut: fc.nat(3),
      added: fc.constantFrom('', '"', '\\', '\n', '}', ',', 'a'),
    });
    fc.assert(
      fc.property(
        text,
        text,
        padding,
        padding,
        fc.array(edit, { maxLength: 2 }),
        (a, b, c, d, edits) => {
          const [first, second] = [event(a, c), event(b, d)];
          const edited = edits.reduce((data, { at, cut, added }) => {
            const from = at % (data.length + 1);
            return data.slice(0, from) + added + data.slice(from + cut);
          }, second);
          const said = learned(a, c).read(edited);
          if (said === undefined) return;
          expect(JSON.parse(edited).choices[0].delta.content).toBe(said);
          expect(frameOf(edited)).toEqual(frameOf(first));
        },
      ),
      { numRuns: 500 },
    );
  });
});
