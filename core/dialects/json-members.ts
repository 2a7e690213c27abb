/**
 * Where the members of a JSON object lie in its bytes. Not a parser: what it is given has been taken by one, so it looks for quotes,
 * brackets, colons and commas alone, and jumps from quote to quote within a long text.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const NEAR_BYTES = 32;

/**
 * Each member's value as it is written, with the space around it. `json` is an object that JSON.parse takes, and has made `names`
 * members of, at all depths. Undefined where others may read it as something else: where an object has a name twice, of which
 * JSON.parse keeps the last, or a name has an escape, which V8 takes for another name at times (nodejs/node#63785).
 */
export function membersOf(json: Buffer, names: number): ReadonlyMap<string, Buffer> | undefined {
  const members = new Map<string, Buffer>();
  let written = 0;
  let depth = 0;
  let name = '';
  let valueAt = 0;
  let openedAt = 0;
  let closedAt = 0;
  for (let at = 0; at < json.length; at += 1) {
    switch (json[at]) {
      case QUOTE:
        openedAt = at;
        closedAt = endOfText(json, openedAt);
        if (closedAt === -1) return undefined;
        at = closedAt;
        break;
      case COLON:
        written += 1;
        if (hasEscape(json, openedAt, closedAt)) return undefined;
        if (depth > 1) break;
        name = json.toString('utf8', openedAt + 1, closedAt);
        valueAt = at + 1;
        break;
      case COMMA:
        if (depth === 1) members.set(name, json.subarray(valueAt, at));
        break;
      case OPEN_OBJECT:
      case OPEN_LIST:
        depth += 1;
        break;
      case CLOSE_OBJECT:
      case CLOSE_LIST:
        if (depth === 1 && written > 0) members.set(name, json.subarray(valueAt, at));
        depth -= 1;
        break;
    }
  }
  return written === names ? members : undefined;
}

/** The place of the quote that closes the text, looked for by hand where it is near: most texts are short, and a jump costs as much. */
function endOfText(json: Buffer, openedAt: number): number {
  let at = openedAt + 1;
  while (true) {
    const far = at + NEAR_BYTES;
    while (at < far) {
      const byte = json[at];
      if (byte === QUOTE) return at;
      at += byte === BACKSLASH ? 2 : 1;
    }
    at = json.indexOf(QUOTE, at);
    if (!isEscaped(json, at)) return at;
    at += 1;
  }
}

function isEscaped(json: Buffer, at: number): boolean {
  let first = at;
  while (json[first - 1] === BACKSLASH) first -= 1;
  return (at - first) % 2 === 1;
}

function hasEscape(json: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if (json[at] === BACKSLASH) return true;
  return false;
}
