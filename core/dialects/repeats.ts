/**
 * Most events of a stream repeat the one before but for the text that they bring. One that does is told by
 * comparing it with that one instead of parsing it: what is equal to valid JSON but for the inside of plain
 * strings is valid JSON that says the same. Never guesses: what is not proven to be a repeat is parsed.
 */
export interface Repeats {
  /** The text of an event that is the last one again but for its text and its padding; undefined where it must be parsed. */
  read(data: string): string | undefined;
  /** From now on `data` is the last one. Without a text there is more to it than a text, and none repeats it. */
  learn(text: string | undefined, data: string): void;
}

interface Last {
  readonly before: string;
  /** From the closing quote of the text on; up to the padding where there is some. */
  readonly behind: string;
  readonly end: string | undefined;
}

/** Random letters, by which OpenAI hides how long a token is from whoever watches the network. */
const PADDING = '"obfuscation":"';
/** What must be parsed to be understood, or must not be in a string at all. */
const NOT_PLAIN = /[\\\p{Cc}]/u;

/** `field`: of the text. Its name followed by a quote is looked for; within a string the quotes of both would be escaped. */
export function createRepeats(field: string): Repeats {
  const opening = `"${field}":"`;
  let last: Last | undefined;
  return {
    read: (data) => (last === undefined ? undefined : textOf(data, last)),
    learn(text, data) {
      last = text === undefined ? undefined : lastOf(data, { opening, text });
    },
  };
}

/** Slices, because equality of two strings looks at memory and `startsWith` at one letter after the other. */
function textOf(data: string, { before, behind, end }: Last): string | undefined {
  if (data.slice(0, before.length) !== before) return undefined;
  const text = plainString(data, before.length);
  if (text === undefined) return undefined;
  const textEnd = before.length + text.length;
  const behindEnd = textEnd + behind.length;
  if (data.slice(textEnd, behindEnd) !== behind) return undefined;
  if (end === undefined) return behindEnd === data.length ? text : undefined;
  const padding = plainString(data, behindEnd);
  const isSame =
    padding !== undefined &&
    data.length === behindEnd + padding.length + end.length &&
    data.endsWith(end);
  return isSame ? text : undefined;
}

/** What is left of a string of JSON from here on; undefined unless it stands for itself. */
function plainString(data: string, from: number): string | undefined {
  const to = data.indexOf('"', from);
  if (to === -1) return undefined;
  const text = data.slice(from, to);
  return NOT_PLAIN.test(text) ? undefined : text;
}

/** Undefined where it is in doubt which string is the text, or which is the padding. */
function lastOf(
  data: string,
  { opening, text }: { opening: string; text: string },
): Last | undefined {
  const at = data.indexOf(opening) + opening.length;
  if (at < opening.length || data.indexOf(opening, at) !== -1) return undefined;
  if (plainString(data, at) !== text) return undefined;
  const before = data.slice(0, at);
  const rest = data.slice(at + text.length);
  const paddingAt = rest.indexOf(PADDING) + PADDING.length;
  if (paddingAt < PADDING.length) return { before, behind: rest, end: undefined };
  const padding = plainString(rest, paddingAt);
  if (padding === undefined) return undefined;
  const behind = rest.slice(0, paddingAt);
  return { before, behind, end: rest.slice(paddingAt + padding.length) };
}
