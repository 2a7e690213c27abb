/** Where a text stops being JSON: the platform's parser does not always say. */

const TOKEN =
  /\s*(?:("(?:[^"\\\n\r\t]|\\.)*")|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)|([{}[\]:,]))/y;

type Seen = 'start' | 'open' | 'key' | ':' | ',' | 'value';

/** The index of the first token that JSON does not allow there; the text's length when it only ends too early. */
export function brokenAt(text: string): number {
  const inside: string[] = [];
  let seen: Seen = 'start';
  TOKEN.lastIndex = 0;
  for (let at = 0; ; at = TOKEN.lastIndex) {
    const match = TOKEN.exec(text);
    if (match === null) return at + (/^\s*/.exec(text.slice(at))?.[0].length ?? 0);
    const [all, string, , mark] = match;
    const next: Seen | undefined =
      mark === undefined
        ? literal(string !== undefined, inside.at(-1), seen)
        : punctuation(mark, inside, seen);
    if (next === undefined) return at + all.length - all.trimStart().length;
    seen = next;
  }
}

function literal(isString: boolean, within: string | undefined, seen: Seen): Seen | undefined {
  if (within === '{' && (seen === 'open' || seen === ',')) return isString ? 'key' : undefined;
  return mayBegin(within, seen) ? 'value' : undefined;
}

function mayBegin(within: string | undefined, seen: Seen): boolean {
  if (within === undefined) return seen === 'start';
  return within === '{' ? seen === ':' : seen === 'open' || seen === ',';
}

function punctuation(mark: string, inside: string[], seen: Seen): Seen | undefined {
  const within = inside.at(-1);
  if (mark === ':') return seen === 'key' ? ':' : undefined;
  if (mark === ',') return seen === 'value' && within !== undefined ? ',' : undefined;
  if (mark === '{' || mark === '[') {
    if (!mayBegin(within, seen)) return undefined;
    inside.push(mark);
    return 'open';
  }
  const isEnd = within === (mark === '}' ? '{' : '[') && (seen === 'open' || seen === 'value');
  inside.pop();
  return isEnd ? 'value' : undefined;
}
