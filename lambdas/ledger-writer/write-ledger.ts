/** One run of the ledger's writer: the ledger has its columns, what arrived is booked, and at night it is tidied. */
import type { Clock, EpochMs } from '../../core/clock.ts';
import {
  bookUsage,
  countUnknownVersions,
  recentWindow,
  wideWindow,
} from '../../core/ledger/book-usage.ts';
import { firstOpenPeriod } from '../../core/ledger/closed-months.ts';
import {
  alignLedger,
  createLedger,
  READ_LEDGER_COLUMNS,
  TIDY_LEDGER,
} from '../../core/ledger/ledger-table.ts';
import type { Athena } from '../adapters/athena.ts';
import type { ClosedMonths } from '../adapters/closed-months.ts';

export interface LedgerPorts {
  readonly athena: Athena;
  readonly closedMonths: Pick<ClosedMonths, 'through'>;
  readonly clock: Clock;
  /** S3 address of the ledger's folder. */
  readonly location: string;
}

export interface LedgerRun {
  /** `recent`: the last days, every quarter of an hour. `wide`: whatever is still on its way, every night. */
  readonly reach: 'recent' | 'wide';
  readonly deadlineMs: EpochMs;
}

export interface LedgerRunResult {
  /** Raw rows of a later version of this code; counted at night. */
  readonly unknownRows: number;
}

/** Throws when Athena does; the next run does all that this one did not. */
export async function writeLedger(
  { athena, closedMonths, clock, location }: LedgerPorts,
  { reach, deadlineMs }: LedgerRun,
): Promise<LedgerRunResult> {
  await athena.run(createLedger(location), deadlineMs);
  const columns = await athena.run(READ_LEDGER_COLUMNS, deadlineMs);
  const alignment = alignLedger(columns.map(([name = '']) => name.trim()));
  if (alignment !== undefined) await athena.run(alignment, deadlineMs);
  const nowMs = clock.nowMs();
  const window = reach === 'wide' ? wideWindow(nowMs) : recentWindow(nowMs);
  const firstOpen = firstOpenPeriod(await closedMonths.through());
  await athena.run(bookUsage({ ...window, nowMs, firstOpenPeriod: firstOpen }), deadlineMs);
  if (reach === 'recent') return { unknownRows: 0 };
  const [[unknownRows] = []] = await athena.run(countUnknownVersions(window), deadlineMs);
  for (const statement of TIDY_LEDGER) await tidy(athena, statement, deadlineMs);
  return { unknownRows: Number(unknownRows ?? 0) };
}

/** Athena tidies so much at a time and fails when there is more; that much is done, and the next night does more. */
async function tidy(athena: Athena, statement: string, deadlineMs: EpochMs): Promise<void> {
  try {
    await athena.run(statement, deadlineMs);
  } catch (fault) {
    if (!(fault instanceof Error && fault.message.includes('MORE_RUNS_NEEDED'))) throw fault;
  }
}
