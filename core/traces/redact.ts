/**
 * Takes out of a text what should be kept nowhere: addresses, numbers that name a person or open an account, keys.
 * It decides by shape alone, so it finds no names and misses what is written to be missed. Every expression is
 * linear in the text: no repetition inside another, and each bounded.
 */
import { patternOf } from './redact-patterns.ts';

export type Redact = (text: string) => string;

/** The tenant's own patterns come first, so that none of the usual ones takes a part of a match. */
export function createRedact(patterns: readonly string[] = []): Redact {
  const own = patternOf(patterns);
  return (text) => {
    const plain = unescaped(text);
    const first = own === undefined ? plain : plain.replace(own, '[custom]');
    return RULES.reduce((rest, { find, replace }) => rest.replace(find, replace), first);
  };
}

interface Rule {
  readonly find: RegExp;
  readonly replace: (match: string) => string;
}

/** In their order: a key may hold what looks like a number. */
const RULES: readonly Rule[] = [
  rule('key', /\b(?:tg|sk|pk|rk|ghp|gho|ghs|glpat|xox[abprs])[-_][A-Za-z0-9_-]{12,512}/g),
  rule('key', /\b(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{16}\b/g),
  rule('key', /\bAIza[0-9A-Za-z_-]{35}/g),
  // Its parts are optional, because a text may have been cut within it.
  rule('jwt', /\beyJ[A-Za-z0-9_-]{8,4096}(?:\.[A-Za-z0-9_-]{0,8192}){0,2}/g),
  rule('email', /[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}/g),
  checked('iban', /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b/g, isIban),
  checked('card', /(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.]?\d)/g, isCard),
  rule('phone', /(?<![\w.+-])(?:\+|00)\d(?:[ ().-]{0,2}\d){6,14}(?!\d)/g),
  rule('phone', /(?<![\w.+-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])/g),
];

function rule(name: string, find: RegExp): Rule {
  return { find, replace: () => `[${name}]` };
}

/** What follows such a number after a blank may look like more of it: the longest beginning that holds is taken. */
function checked(name: string, find: RegExp, holds: (match: string) => boolean): Rule {
  const replace = (match: string) => {
    for (let end = match.length; end > 0; end = Math.max(0, lastGap(match.slice(0, end))))
      if (holds(match.slice(0, end))) return `[${name}]${match.slice(end)}`;
    return match;
  };
  return { find, replace };
}

function lastGap(text: string): number {
  return Math.max(text.lastIndexOf(' '), text.lastIndexOf('-'));
}

const MIN_CARD_DIGITS = 13;
const MIN_IBAN_LENGTH = 15;

/** Luhn's check, so that ids and sums of sixteen digits stay. */
function isCard(match: string): boolean {
  const digits = match.replace(/\D/g, '');
  if (digits.length < MIN_CARD_DIGITS) return false;
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]) * (i % 2 === 0 ? 1 : 2);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return sum % 10 === 0;
}

/** ISO 13616: the number that its letters and digits make, its first four last, leaves 1 when divided by 97. */
function isIban(match: string): boolean {
  const text = match.replaceAll(' ', '');
  if (text.length < MIN_IBAN_LENGTH) return false;
  let rest = 0;
  for (const char of text.slice(4) + text.slice(0, 4))
    rest = Number(`${rest}${Number.parseInt(char, 36)}`) % 97;
  return rest === 1;
}

/** JSON inside a text may write any letter as an escape, `@` for one: it is read as what it stands for. */
function unescaped(text: string): string {
  return text.replace(/\\u00([2-7][0-9a-f])/gi, (_, code) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
}
