import { randomInt } from 'node:crypto';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const REQUEST_ID_LENGTH = 22;
const HOLD_ID_LENGTH = 8;
const REQUEST_ID_PREFIX = 'req_';

/** Source of random base-62 text; tests and the simulation bring a seeded one. */
export type RandomText = (length: number) => string;

/** Cryptographically strong base-62 text, 5.95 bits a character. Node draws `randomInt` from bytes that it keeps in store. */
export const randomText: RandomText = (length) => {
  let text = '';
  while (text.length < length) text += BASE62.charAt(randomInt(BASE62.length));
  return text;
};

export function newRequestId(random: RandomText = randomText): string {
  return REQUEST_ID_PREFIX + random(REQUEST_ID_LENGTH);
}

const REQUEST_ID = new RegExp(`^${REQUEST_ID_PREFIX}[0-9A-Za-z]{${REQUEST_ID_LENGTH}}$`);

export function isRequestId(text: string): boolean {
  return REQUEST_ID.test(text);
}

/**
 * Name of a request's hold inside an account item. Eight characters (47 bits) keep the item under one
 * kilobyte. Two open holds of one account share a name about once in 1e14 pairs, and then the second
 * request is refused, because a hold counts as one's own only when all of it is.
 */
export function holdIdOf(
  requestId: string,
  reservesBefore: ReservesBefore = 0,
  isOnLaterDay = false,
): string {
  const starts = isOnLaterDay ? STARTS_ON_LATER_DAY : STARTS;
  const start = REQUEST_ID_PREFIX.length + starts[reservesBefore];
  return requestId.slice(start, start + HOLD_ID_LENGTH);
}

/** How often a call has reserved already and given it up: by an old policy (ADR 0037), or for too much. */
export type ReservesBefore = 0 | 1 | 2;

/**
 * Where the names begin. They share characters: an id has 22, and still no two names are equal but by a chance of 47 bits. A call
 * that met accounts in a later day has names of its own (ADR 0045).
 */
const STARTS = [0, HOLD_ID_LENGTH, REQUEST_ID_LENGTH - HOLD_ID_LENGTH] as const;
const STARTS_ON_LATER_DAY = [4, 11, 2] as const;

/** A call that reserves once more holds under another name, so that no late copy of what it gave up is met. */
export function holdIdsOf(requestId: string): readonly [string, ...string[]] {
  const names = (isOnLaterDay: boolean) =>
    ([0, 1, 2] as const).map((before) => holdIdOf(requestId, before, isOnLaterDay));
  const [first = holdIdOf(requestId), ...others] = names(false);
  return [first, ...others, ...names(true)];
}

/**
 * One text for several parts, injective: `a#b` in one part never equals `a`, `b` in two, because the
 * separator is escaped inside the parts.
 */
export function compositeKey(...parts: readonly string[]): string {
  return parts.map(escaped).join('/');
}

function escaped(part: string): string {
  if (!part.includes('/') && !part.includes('%')) return part;
  return part.replace(/[%/]/g, (c) => (c === '%' ? '%25' : '%2F'));
}
