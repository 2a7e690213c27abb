/** The reaper as an actor: the real one, over the same bad network, twice at once now and then. */
import { decodeHold } from '../../core/limits/account.ts';
import { releaseLeases } from '../../core/limits/lease-reap.ts';
import { CLOSERS_PATIENCE, createPatientStore } from '../../core/limits/patient-store.ts';
import { reapAccount } from '../../core/limits/reaper.ts';
import { createExpiredBooks } from '../../lambdas/reaper/expired-books.ts';
import { type EnvironmentOptions, pauseIn } from './environment.ts';
import { createProcess } from './process.ts';
import { entriesOf } from './stored-item.ts';

export interface ReaperOptions extends EnvironmentOptions {
  /** Nobody calls any more. */
  readonly isOver: () => boolean;
  readonly violation: (what: string) => void;
}

const EVERY_MS = 60_000;
/** The reaper waits so long for clocks that are behind its own. */
const GRACE_SECONDS = 5;
/** When nobody calls any more, holds have time to expire, and the reaper to try again after faults. */
const LAST_ROUNDS = 33;
const AWAITS = 30;

export function startReaper(options: ReaperOptions): void {
  const { scheduler, random, faults } = options;
  let roundsLeft = LAST_ROUNDS;
  // What a broken table leaves behind may be no account at all.
  const reap = (diesAfter: number | undefined) =>
    void reapAll(options, diesAfter).catch((fault: unknown) =>
      options.violation(`the reaper failed: ${String(fault)}`),
    );
  const round = () => {
    if (options.isOver()) roundsLeft -= 1;
    if (roundsLeft === 0) return;
    reap(random.chance(faults.crashes) ? random.between(1, AWAITS) : undefined);
    if (random.chance(0.1)) reap(undefined);
    scheduler.after(EVERY_MS, round);
  };
  scheduler.after(random.between(1, EVERY_MS), round);
}

/**
 * All accounts, side by side, until done or dead. An account that cannot be reached waits for the next round, and so do leases
 * where any call was left.
 */
async function reapAll(options: ReaperOptions, diesAfter: number | undefined): Promise<void> {
  const { scheduler, random, faults, dynamo, company, usageStream, trace } = options;
  const { reaper = (store) => store } = options.sabotage;
  const process = createProcess();
  if (diesAfter !== undefined) process.dieAfter(diesAfter);
  const skewMs = random.between(-faults.clockSkewMs, faults.clockSkewMs);
  const clock = { nowMs: () => scheduler.nowMs() + skewMs };
  const pause = pauseIn(options, process);
  const ports = {
    clock,
    pause,
    store: createPatientStore({
      store: reaper(dynamo.storeFor(process)),
      patience: CLOSERS_PATIENCE,
      pause,
    }),
    bookExpired: createExpiredBooks({
      clock,
      usage: usageStream.sinkFor(process),
      directory: {
        policy: async () => company.policy(),
        findKeyById: async (keyId) =>
          [...company.keys().values()].find((key) => key.keyId === keyId),
      },
    }),
  };
  const began = Math.floor(clock.nowMs() / 1000);
  const told = (fault: unknown) => trace(`not reaped: ${String(fault)}`);
  const accounts = [...dynamo.items].filter(([, item]) => Object.keys(item['h'] ?? {}).length > 0);
  const counts = await Promise.all(
    accounts.map(([account]) => reapAccount(ports, account).catch(told)),
  );
  const isWhole = counts.every((count) => count?.left === 0);
  if (isWhole) outlived(options, began);
  for (const [index, [account]] of accounts.entries())
    if (isWhole && (counts[index]?.leases ?? 0) > 0)
      await releaseLeases(ports.store, account, began).catch(told);
}

/** I5: a round that reached every account leaves no call there that had expired when it began. */
function outlived({ dynamo, violation }: ReaperOptions, began: number): void {
  for (const [account, item] of dynamo.items) {
    for (const [id, text] of Object.entries(entriesOf(item, 'h'))) {
      const { expiresAtSeconds, owner } = decodeHold(String(text));
      if (owner.kind !== 'lease' && expiresAtSeconds + GRACE_SECONDS <= began)
        violation(`I5 ${id} in ${account} outlives its expiry by ${began - expiresAtSeconds} s`);
    }
  }
}
