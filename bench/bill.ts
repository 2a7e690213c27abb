import { billOf, type Compute, readCostBook, totalUsd } from '../scripts/cost/bill.ts';
import { costOptionsSchema, modesOf } from '../scripts/cost/options.ts';
import { usdByLaw } from './cost-law.ts';

const A_MILLION = 1e6;

/** Dollars for a million streams of the length and size that `npm run cost` takes by default. */
export interface Usd {
  /** By the cost law. */
  readonly law: number;
  /** By all lines of `npm run cost`. */
  readonly bill: number;
}

/** With so many units of DynamoDB a call. Of reads no fewer than `npm run cost` takes by default: each of many processes reads a key for itself. */
export function usdAMillion(
  kind: Compute['kind'],
  { writes, reads }: { writes: number; reads: number },
): Usd | undefined {
  const options = costOptionsSchema.parse({});
  const mode = modesOf(options).find(({ compute }) => compute.kind === kind);
  if (mode === undefined) return undefined;
  const { compute } = mode;
  const traffic = { ...mode.traffic, writes, reads: Math.max(reads, mode.traffic.reads) };
  const book = readCostBook();
  const bill = (totalUsd(billOf(traffic, compute, book)) * A_MILLION) / options.requests;
  return { law: usdByLaw(traffic, compute, book), bill };
}
