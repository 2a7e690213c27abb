/** Bodies that are almost right: a valid one with a few things changed in its tree, its text or its bytes. */
import type { Random } from '../../simulation/random.ts';

export function mutatedBody(valid: unknown, random: Random): Buffer {
  let tree = valid;
  for (let changes = random.between(0, 3); changes > 0; changes -= 1) tree = mutated(tree, random);
  const text = JSON.stringify(tree) ?? '';
  switch (random.weighted({ whole: 20, text: 3, bytes: 2, noise: 1 })) {
    case 'whole':
      return Buffer.from(withRawValues(text));
    case 'text':
      return Buffer.from(mutatedText(text, random));
    case 'bytes':
      return mutatedBytes(Buffer.from(text), random);
    case 'noise':
      return noise(random.between(0, 300), random);
  }
}

/** JSON texts that JSON.stringify never writes take the place of these. */
const RAW: Readonly<Record<string, string>> = {
  '@huge@': '1e309',
  '@minus@': '-0',
  '@long@': '123456789012345678901234567890',
  '@nan@': 'NaN',
  '@surrogate@': '"\\ud800"',
  '@deep@': '['.repeat(3_000) + ']'.repeat(3_000),
};

const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1, 1.5, 2 ** 31, 2 ** 53, 1e9, -1e9, [], {}, [[]], [null], [{}]],
  ...[
    '',
    ' ',
    'a',
    '🙂',
    '\u0000',
    '\r\n',
    '../',
    'a#b',
    '__proto__',
    'x'.repeat(3_000),
    '{"a":1}',
  ],
  ...['http://127.0.0.1/', 'data:,', 'data:image/png;base64,', 'user', 'tool', 'function', 'text'],
  ...['auto', 'json_schema', 'image_url', 'input_text', 'tool_result', 'thinking', 'ephemeral'],
  ...[{ type: 'text' }, { type: 'object' }, { $ref: '#' }, { role: 'user' }],
  ...Object.keys(RAW),
];

const NAMES = [
  ...['type', 'role', 'content', 'text', 'name', 'id', 'url', 'stream', 'n', 'model', 'tools'],
  ...['__proto__', 'constructor', 'toString', 'api_base', 'cache_control', 'index', '$ref', ''],
];

function mutated(value: unknown, random: Random): unknown {
  const goesDown = random.chance(0.8);
  if (Array.isArray(value) && value.length > 0 && goesDown) return mutatedList(value, random);
  if (isObject(value) && goesDown) return mutatedObject(value, random);
  return random.pick(VALUES);
}

function mutatedList(list: readonly unknown[], random: Random): unknown[] {
  const at = random.between(0, list.length - 1);
  switch (random.weighted({ inside: 6, drop: 1, repeat: 1, swap: 1 })) {
    case 'inside':
      return list.with(at, mutated(list[at], random));
    case 'drop':
      return list.toSpliced(at, 1);
    case 'repeat':
      return [...list, ...Array.from({ length: random.pick([1, 2, 500]) }, () => list[at])];
    case 'swap':
      return list.toReversed();
  }
}

function mutatedObject(object: Readonly<Record<string, unknown>>, random: Random): unknown {
  const names = Object.keys(object);
  const name = names.length === 0 ? random.pick(NAMES) : random.pick(names);
  const { [name]: own, ...rest } = object;
  switch (random.weighted({ inside: 8, drop: 1, rename: 1, add: 1 })) {
    case 'inside':
      return { ...object, [name]: mutated(own, random) };
    case 'drop':
      return rest;
    case 'rename':
      return { ...rest, [random.pick(NAMES)]: own };
    case 'add':
      return { ...object, [random.pick(NAMES)]: random.pick(VALUES) };
  }
}

function withRawValues(text: string): string {
  return text.replaceAll(/"(@[a-z]+@)"/g, (whole, name: string) => RAW[name] ?? whole);
}

function mutatedText(text: string, random: Random): string {
  const at = random.between(0, text.length);
  const piece = random.pick([
    '"',
    '{',
    '}',
    '[',
    ',',
    ':',
    '\\',
    '\\u',
    'e9',
    '//',
    '\uFEFF',
    text,
  ]);
  return random.chance(0.3) ? text.slice(0, at) : text.slice(0, at) + piece + text.slice(at);
}

function mutatedBytes(bytes: Buffer, random: Random): Buffer {
  for (let flips = random.between(1, 8); flips > 0; flips -= 1)
    bytes[random.between(0, bytes.length - 1)] = random.between(0, 255);
  return bytes;
}

function noise(length: number, random: Random): Buffer {
  return Buffer.from(Array.from({ length }, () => random.between(0, 255)));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
