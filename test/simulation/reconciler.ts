/** The ledger's side of posted calls as an actor: what it knows the truth of is corrected, over the same bad network. */
import { holdIdsOf } from '../../core/ids.ts';
import { CLOSERS_PATIENCE, createPatientStore } from '../../core/limits/patient-store.ts';
import { correctPosted } from '../../core/limits/posted.ts';
import { tokensOfEvent } from '../../core/usage/event-values.ts';
import { pauseIn } from './environment.ts';
import { createProcess } from './process.ts';
import type { ReaperOptions } from './reaper.ts';

const EVERY_MS = 120_000;
/** Longer than the reaper goes on when nobody calls any more. */
const LAST_ROUNDS = 19;
const AWAITS = 10;

export function startReconciler(options: Omit<ReaperOptions, 'violation'>): void {
  const { scheduler, random, faults } = options;
  let roundsLeft = LAST_ROUNDS;
  const round = () => {
    if (options.isOver()) roundsLeft -= 1;
    if (roundsLeft === 0) return;
    correctAll(options, random.chance(faults.crashes) ? random.between(1, AWAITS) : undefined);
    if (random.chance(0.1)) correctAll(options, undefined);
    scheduler.after(EVERY_MS, round);
  };
  scheduler.after(random.between(1, EVERY_MS), round);
}

function correctAll(
  options: Omit<ReaperOptions, 'violation'>,
  diesAfter: number | undefined,
): void {
  const { dynamo, usageStream, trace } = options;
  const process = createProcess();
  if (diesAfter !== undefined) process.dieAfter(diesAfter);
  const pause = pauseIn(options, process);
  const table = dynamo.storeFor(process);
  const store = createPatientStore({ store: table, patience: CLOSERS_PATIENCE, pause });
  for (const row of usageStream.ledger.values()) {
    const { request_id: requestId, virtual_key_id: keyId, provider, outcome } = row;
    const isPosted = holdIdsOf(requestId).some((id) =>
      dynamo.items.has(`posted/key/${keyId}/${id}`),
    );
    if (outcome === 'expired' || !isPosted) continue;
    const actual = { nanoUsd: row.cost_nano_usd, ...tokensOfEvent(row) };
    correctPosted({ store, pause }, { requestId, keyId, provider, actual }).catch(
      (fault: unknown) => trace(`not corrected: ${String(fault)}`),
    );
  }
}
