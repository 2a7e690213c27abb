/** What the engine means by a write to an account, read from the write alone. */
import type { AccountWrite, Path } from '../../core/limits/account-write.ts';
import type { Arrival } from './fake-dynamo.ts';
import type { Amount } from './true-money.ts';

export type Change =
  | { readonly kind: 'reserve'; readonly holdId: string; readonly hold: StoredHold }
  /**
   * `post` counts an expired hold as spent, `correct` replaces that by the truth, `force` counts a call that was
   * admitted while the account was out of reach.
   */
  | { readonly kind: Closing; readonly holdId: string };

type Closing = 'settle' | 'release' | 'post' | 'correct' | 'force';

interface StoredHold {
  readonly demand: Amount;
  readonly day: number;
  readonly expiresAtSeconds: number;
}

/** Undefined for writes that open and close no hold. `legs` are all writes of its transaction. */
export function changeOf({
  write: { set, remove, add },
  legs = [],
}: Pick<Arrival, 'write' | 'legs'>): Change | undefined {
  for (const [[map, id], value] of set)
    if (map === 'h' && id !== undefined && typeof value === 'string')
      return { kind: 'reserve', holdId: id, hold: storedHold(value) };
  const posted = legs.find(({ key }) => isPostedCall(key));
  if (posted !== undefined) {
    const isCorrected = posted.write.set.some(([, value]) => value === '=');
    const holdId = posted.key.slice(posted.key.lastIndexOf('/') + 1);
    return { kind: isCorrected ? 'correct' : 'post', holdId };
  }
  const closed = remove.find(([map, id]) => map === 'h' && id !== undefined)?.[1];
  const isSettled = add.some(([name]) => name.startsWith('sn'));
  const [forced] = marksOf({ set, remove }).made;
  if (closed === undefined)
    return isSettled && forced !== undefined ? { kind: 'force', holdId: forced } : undefined;
  return { kind: isSettled ? 'settle' : 'release', holdId: closed };
}

/** All that it means, where a reserve settles calls that waited for it: those first, as that is how they leave room. */
export function changesOf(arrival: Pick<Arrival, 'write' | 'legs'>): readonly Change[] {
  const change = changeOf(arrival);
  if (change?.kind !== 'reserve') return change === undefined ? [] : [change];
  const { remove } = arrival.write;
  const ridden = remove.flatMap(([map, id]): Change[] =>
    map === 'h' && id !== undefined ? [{ kind: 'settle', holdId: id }] : [],
  );
  return [...ridden, change];
}

/** The item of a call whose holds were posted, and no account. */
export function isPostedCall(key: string): boolean {
  return key.startsWith('posted/');
}

/** Names of holds that may not be made from now on, and those that may again. */
export function marksOf({ set, remove }: Pick<AccountWrite, 'set' | 'remove'>): {
  readonly made: readonly string[];
  readonly swept: readonly string[];
} {
  const idOf = ([map, id]: Path) => (map === 'x' && id !== undefined ? [id] : []);
  return { made: set.flatMap(([path]) => idOf(path)), swept: remove.flatMap(idOf) };
}

/** Seconds since 2026, as the account stores them. */
const EXPIRY_EPOCH_SECONDS = Date.UTC(2026, 0, 1) / 1000;

export function storedHold(text: string): StoredHold {
  const [nanoUsd = 0, inputTokens = 0, outputTokens = 0, expiry = 0, day = 0] = text
    .split('.')
    .slice(0, 5)
    .map((part) => Number.parseInt(part, 36));
  return {
    demand: { requests: 1, inputTokens, outputTokens, nanoUsd },
    day,
    expiresAtSeconds: expiry + EXPIRY_EPOCH_SECONDS,
  };
}
