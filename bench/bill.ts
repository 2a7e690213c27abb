import { billOf, type Compute, readCostBook, totalUsd } from '../scripts/cost/bill.ts';
import { costOptionsSchema, modesOf } from '../scripts/cost/options.ts';

const A_MILLION = 1e6;

/** Dollars for a million streams as `npm run cost` counts them by default, with so many write units for a call. */
export function usdAMillion(kind: Compute['kind'], writes: number): number | undefined {
  const options = costOptionsSchema.parse({});
  const mode = modesOf(options).find(({ compute }) => compute.kind === kind);
  if (mode === undefined) return undefined;
  const usd = totalUsd(billOf({ ...mode.traffic, writes }, mode.compute, readCostBook()));
  return (usd * A_MILLION) / options.requests;
}
