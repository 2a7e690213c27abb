/** What one run of the reconciler leaves for the next: the accounts to compare then, and what was told. */
import * as z from 'zod/mini';
import type { EpochMs } from '../clock.ts';
import type { Comparison } from './compare.ts';
import type { Cut } from './questions.ts';
import { type Snapshot, snapshotSchema } from './snapshot.ts';

const openDifferenceSchema = z.object({
  name: z.string(),
  /** The books agreed until then, as far as anybody knows. */
  sinceMs: z.int(),
  /** What was told last, so that it is told again only when it has changed. */
  told: z.string(),
});
export type OpenDifference = z.infer<typeof openDifferenceSchema>;

export const stateSchema = z.object({
  snapshot: snapshotSchema,
  /** When the accounts of the last comparison were read; 0 before the first. */
  comparedMs: z.int(),
  open: z.array(openDifferenceSchema),
});
export type ReconcilerState = z.infer<typeof stateSchema>;

/** Clocks of environments disagree by less. */
export const SKEW_MS = 5_000;

export function cutOf({ fromMs, toMs }: Snapshot): Cut {
  return { sureMs: fromMs - SKEW_MS, maybeMs: toMs + SKEW_MS };
}

/** Names a difference, and tells whether it is the one that was told already. */
export function openDifference(
  name: string,
  signature: string,
  { open, comparedMs }: Pick<ReconcilerState, 'open' | 'comparedMs'>,
): OpenDifference & { readonly isNews: boolean } {
  const known = open.find((each) => each.name === name);
  const sinceMs: EpochMs = known?.sinceMs ?? comparedMs;
  return { name, sinceMs, told: signature, isNews: known?.told !== signature };
}

export function nameOfComparison({ scope, period }: Comparison): string {
  return `${scope} ${period}`;
}

export function signatureOf({ verdict, difference }: Comparison): string {
  const { nanoUsd, inputTokens, outputTokens } = difference;
  return `${verdict} ${nanoUsd}/${inputTokens}/${outputTokens}`;
}
