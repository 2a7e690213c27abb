/** Whether a call that was refused would fit with a smaller maximum of output tokens, and with which. */
import type { Route } from '../catalog/snapshot.ts';
import { boundOf, type CallSize } from './bound.ts';
import type { Denial } from './denial.ts';
import { amountOf, type Demand } from './reserve.ts';

/** An answer of fewer tokens is of no use to anybody. */
const LEAST_OUTPUT_TOKENS = 16;

/**
 * The largest maximum of output tokens whose demand fits the room that the denial left; undefined when
 * none does, or when output is not what is scarce.
 */
export function clampedOutput(
  { dimension, limit, used }: Denial,
  size: CallSize,
  routes: readonly Route[],
): number | undefined {
  const room = limit - used;
  const demandAt = (maxOutputTokens: number): Demand =>
    boundOf({ ...size, maxOutputTokens }, routes);
  const fits = (maxOutputTokens: number) => amountOf(dimension, demandAt(maxOutputTokens)) <= room;
  if (size.maxOutputTokens <= LEAST_OUTPUT_TOKENS || !fits(LEAST_OUTPUT_TOKENS)) return undefined;
  // Requests and input do not shrink with the output: where they were the reason, this does not help.
  if (fits(size.maxOutputTokens)) return undefined;
  let low = LEAST_OUTPUT_TOKENS;
  let high = size.maxOutputTokens;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}
