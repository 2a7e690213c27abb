/** Text of the comment above each property of the object literal at the left margin that begins at `marker`. */
export function commentsIn(source: string, marker: string): ReadonlyMap<string, string> {
  const begin = source.indexOf(marker);
  if (begin < 0) throw new Error(`the source has no ${marker}`);
  const literal = source.slice(begin, source.indexOf('\n}', begin));
  const found = literal.matchAll(/\/\*\*(?<text>(?:(?!\*\/).)*)\*\/\s+(?<name>\w+): /gs);
  return new Map(
    [...found].map(({ groups }) => [
      groups?.['name'] ?? '',
      (groups?.['text'] ?? '')
        .replace(/\s+\*?\s*/g, ' ')
        .replace(/\{@link (\w+)\}/g, '`$1`')
        .trim(),
    ]),
  );
}
