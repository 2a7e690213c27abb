/**
 * A store for closing books: tries again for about half a minute where the request path would give up,
 * because nobody waits for it and a hold left open blocks its scope until it expires. Repeating is safe:
 * a closed hold refuses to be closed again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AccountStore } from '../../core/limits/account-store.ts';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const ATTEMPTS = 10;

export function createPatientStore(store: AccountStore): AccountStore {
  return {
    read: (key) => store.read(key),
    write: (key, write) => patiently(() => store.write(key, write)),
    writeTogether: (writes) => patiently(() => store.writeTogether(writes)),
  };
}

async function patiently<T>(write: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await write();
    } catch (fault) {
      if (attempt === ATTEMPTS) throw fault;
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1));
      // Half of the pause is random, so that many closers do not come back together.
      await sleep(pauseMs * (0.5 + Math.random() / 2));
    }
  }
}
