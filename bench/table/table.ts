/** The table stub as the bench sees it. */
import * as z from 'zod';
import { startChildServer } from '../child-server.ts';

export const COUNTS_PATH = '/counts';

export interface TableOptions {
  readonly roundTripMs: number;
  /** Write units of one item; more are throttled. */
  readonly unitsPerSecond: number;
}

const span = z.tuple([z.number(), z.number()]);
const countsSchema = z.object({
  reads: z.number(),
  writes: z.number(),
  units: z.number(),
  throttled: z.number(),
  events: z.number(),
  busiestUnits: z.record(z.string(), z.number()),
  openHolds: z.number(),
  /** When each call to a table began and ended, microseconds of the machine's clock. */
  spans: z.array(span),
});
export type TableReport = z.infer<typeof countsSchema>;

export interface Table {
  readonly url: string;
  /** Since the last time it was asked. */
  take(): Promise<TableReport>;
  stop(): Promise<void>;
}

export async function startTable(options: TableOptions): Promise<Table> {
  const { url, stop } = await startChildServer(import.meta.resolve('./table-server.ts'), options);
  const take = async () => countsSchema.parse(await (await fetch(`${url}${COUNTS_PATH}`)).json());
  return { url, take, stop };
}
