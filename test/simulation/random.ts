/** Seeded randomness: the same seed gives the same history, on every machine. */
export interface Random {
  /** At least 0, below 1. */
  fraction(): number;
  chance(probability: number): boolean;
  /** A whole number, both ends included. */
  between(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
  /** One of the names, as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K;
  text(length: number): string;
}

const LETTERS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

export function createRandom(seed: number): Random {
  const fraction = mulberry32(seed);
  const between = (low: number, high: number) => low + Math.floor(fraction() * (high - low + 1));
  const pick = <T>(items: readonly T[]): T => {
    for (const item of items.slice(between(0, items.length - 1))) return item;
    throw new RangeError('nothing to pick from');
  };
  return {
    fraction,
    between,
    pick,
    chance: (probability) => fraction() < probability,
    weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
      const names = namesOf(weights);
      let rest = fraction() * names.reduce((sum, name) => sum + weights[name], 0);
      const chosen = names.find((name) => {
        rest -= weights[name];
        return rest < 0;
      });
      return chosen ?? pick(names);
    },
    text: (length) =>
      Array.from({ length }, () => LETTERS.charAt(between(0, LETTERS.length - 1))).join(''),
  };
}

/** Tommy Ettinger's Mulberry32: 32 bits of state are plenty for one history. */
function mulberry32(seed: number): () => number {
  // Neighbouring seeds are spread, so that seed 1 and seed 2 have nothing in common.
  let state = Math.imul(seed + 1, 0x9e3779b1);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function namesOf<K extends string>(weights: Readonly<Record<K, number>>): K[] {
  const names: K[] = [];
  for (const name in weights) names.push(name);
  return names;
}
