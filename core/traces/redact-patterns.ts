/**
 * What tenants redact besides the usual things. Their patterns are no regular expressions, so that none can be made
 * that takes forever: a literal text, in which `#` is one digit and `@` one letter. Every match has the pattern's length.
 */

export const MAX_PATTERNS = 20;
const MIN_LENGTH = 4;
const MAX_LENGTH = 64;

export function isRedactPattern(text: string): boolean {
  return text.length >= MIN_LENGTH && text.length <= MAX_LENGTH && /^\P{Cc}+$/u.test(text);
}

/** Undefined where there are none. */
export function patternOf(patterns: readonly string[]): RegExp | undefined {
  const parts = patterns.filter(isRedactPattern).slice(0, MAX_PATTERNS).map(sourceOf);
  return parts.length === 0 ? undefined : new RegExp(parts.join('|'), 'giu');
}

function sourceOf(pattern: string): string {
  return [...pattern].map(charSource).join('');
}

function charSource(char: string): string {
  if (char === '#') return '\\p{Nd}';
  if (char === '@') return '\\p{L}';
  return char.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
}
