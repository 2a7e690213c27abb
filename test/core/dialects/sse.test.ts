import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSseParser, MAX_EVENT_BYTES, type SseEvent } from '../../../core/dialects/sse.ts';
import { GatewayError } from '../../../core/errors.ts';

/** Streams as servers send them and as the standard allows them. */
const CORPUS = {
  'a plain stream': 'data: {"a":1}\n\ndata: [DONE]\n\n',
  'named events':
    'event: message_start\ndata: {"type":"message_start"}\n\nevent: ping\ndata: {}\n\n',
  'ends of lines of all kinds': 'data: a\r\n\r\ndata: b\r\rdata: c\n\ndata: d\n\r\ndata: e\r\n\n',
  'only carriage returns': 'event: x\rdata: a\rdata: b\r\rdata: c\r\r',
  'a byte order mark': '\uFEFFdata: first\n\n\uFEFFdata: not first\n\n',
  'a byte order mark and a blank line': '\uFEFF\n\ndata: x\n\n',
  comments: ': hello\n\n:\n\n: a\ndata: b\n: c\n\n',
  'values of all kinds': 'data:no space\ndata:  two spaces\ndata\ndata:\ndata: \n\n',
  'fields that are not read': 'id: 7\nretry: 10\nid: \0\ndatax: no\ndat: no\nevents: no\nfoo\n\n',
  'an event without a name': 'event:\ndata: a\n\nevent\ndata: b\n\n',
  'the last name counts': 'event: a\nevent: b\ndata: c\n\n',
  'letters of many bytes':
    'data: {"t":"żółć 漢字 👩‍👩‍👧 \u2028\u0085"}\n\nevent: naïve\ndata: é\n\n',
  'colons in values': 'data: a: b: c\n\ndata::\n\n',
  'NUL bytes': 'data: a\0b\n\n\0\n\n',
  'blank lines before and between': '\n\n\ndata: a\n\n\n\ndata: b\n\n',
  'no blank line at its end': 'data: a\n\ndata: [DONE]',
  'no blank line after its last line': 'data: a\n\ndata: b\n',
  'an end within an end of line': 'data: a\n\ndata: b\r\n\r',
  'an end after a byte order mark': '\uFEFF',
  nothing: '',
} as const;

describe.each(Object.entries(CORPUS))('an event stream with %s', (_name, text) => {
  const bytes = Buffer.from(text);

  it('is read as the standard says', () => {
    const events = parse([bytes]).filter((event) => event.data !== undefined);
    expect(events.map(({ data, name }) => ({ data, name }))).toEqual(byTheStandard(text));
  });

  it('is the same at every single split, and keeps its bytes', () => {
    const whole = parse([bytes]);
    for (let at = 0; at <= bytes.length; at += 1) {
      expect(parse([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(whole);
    }
    expect(parse(bytes.length === 0 ? [] : Array.from(bytes, (byte) => Buffer.of(byte)))).toEqual(
      whole,
    );
    const raw = Buffer.concat(whole.map((event) => event.raw)).toString();
    const sent = text.replace(/^\uFEFF/, '');
    expect(raw.startsWith(sent)).toBe(true);
    expect(raw.slice(sent.length)).toMatch(/^\n{0,2}$/);
  });
});

describe('an event stream', () => {
  it('is the same at 10,000 random splits, and no replacement character is introduced', () => {
    const texts = Object.values(CORPUS).filter((text) => !text.includes('\uFEFF'));
    const bytes = Buffer.from(texts.join('\n\n'));
    const whole = parse([bytes]);
    let runs = 0;
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 60 }), (cuts) => {
        runs += 1;
        const events = parse(pieces(bytes, cuts));
        return events.length === whole.length && events.every(isAlikeIn(whole));
      }),
      { numRuns: 10_000 },
    );
    expect(runs).toBe(10_000);
  });

  it('of random fields is read as the standard says, in random pieces', () => {
    const line = fc.oneof(
      fc.constantFrom('', '', 'data', 'data:', 'event: x', ':c', 'data: y', 'id: 1'),
      fc
        .tuple(fc.constantFrom('data:', 'data: ', 'event:', ':'), fc.string({ unit: 'grapheme' }))
        .map(([field, value]) => field + value.replace(/[\r\n]/g, '')),
    );
    const lines = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n', '\r')), { maxLength: 30 });
    fc.assert(
      fc.property(lines, fc.array(fc.nat(2_000), { maxLength: 20 }), (parts, cuts) => {
        const text = parts.map(([content, end]) => content + end).join('');
        const bytes = Buffer.from(text);
        const at = cuts.map((cut) => cut % (bytes.length + 1));
        const events = parse(pieces(bytes, at)).filter((event) => event.data !== undefined);
        expect(events.map(({ data, name }) => ({ data, name }))).toEqual(byTheStandard(text));
      }),
      { numRuns: 2_000 },
    );
  });

  it('keeps its events apart from what comes later', () => {
    const parser = createSseParser();
    const first = parser.push(Buffer.from('data: one\n\ndata: tw'));
    parser.push(Buffer.from('o\n\ndata: th'));
    parser.push(Buffer.from('ree'.repeat(2_000)));
    parser.push(Buffer.from('\n\n'));
    expect(first[0]?.raw.toString()).toBe('data: one\n\n');
  });

  it('ends at an event that is too large, whether it is whole or not', () => {
    const parser = createSseParser();
    const kilobytes = Buffer.alloc(64_000, 'a');
    const flood = () => {
      for (let sent = 0; sent <= MAX_EVENT_BYTES; sent += kilobytes.length) parser.push(kilobytes);
    };
    expect(flood).toThrow(GatewayError);
    const whole = Buffer.concat([Buffer.alloc(MAX_EVENT_BYTES, 'a'), Buffer.from('\n\n')]);
    expect(() => createSseParser().push(whole)).toThrow(`larger than ${MAX_EVENT_BYTES} bytes`);
    expect(createSseParser().push(whole.subarray(2))).toHaveLength(1);
  });

  it('that dribbles its largest event costs time in proportion to its bytes', () => {
    const parser = createSseParser();
    const dribble = Buffer.alloc(500, 'a');
    const before = process.cpuUsage();
    for (let sent = 0; sent < MAX_EVENT_BYTES; sent += dribble.length) parser.push(dribble);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(1_000);
  });
});

function isAlikeIn(whole: readonly SseEvent[]) {
  return ({ raw, data, name }: SseEvent, index: number): boolean => {
    const other = whole[index];
    const isSame = other?.raw.equals(raw) === true && other.data === data && other.name === name;
    return isSame && !`${name}${data}`.includes('\uFFFD');
  };
}

function parse(chunks: readonly Buffer[]): SseEvent[] {
  const parser = createSseParser();
  const events = chunks.flatMap((chunk) => parser.push(chunk));
  const last = parser.finish();
  return last === undefined ? events : [...events, last];
}

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

/** The standard's algorithm, word by word, on the decoded text; the last event needs no blank line. */
function byTheStandard(text: string): { data: string; name: string | undefined }[] {
  const events: { data: string; name: string | undefined }[] = [];
  let data: string | undefined;
  let name = '';
  for (const line of `${text.replace(/^\uFEFF/, '')}\n\n`.split(/\r\n|\n|\r/)) {
    if (line === '') {
      if (data !== undefined) events.push({ data, name: name === '' ? undefined : name });
      data = undefined;
      name = '';
      continue;
    }
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') data = data === undefined ? value : `${data}\n${value}`;
    if (field === 'event') name = value;
  }
  return events;
}
