/** Closes a month of the ledger: what is booked from then on for it is booked in the first open month. */
import * as z from 'zod';
import { policySnapshotSchema } from '../../core/catalog/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import {
  type Close,
  closeMonth,
  firstOpenPeriod,
  type Period,
} from '../../core/ledger/closed-months.ts';
import { calendarDay, monthName } from '../../core/limits/periods.ts';
import type { ClosedMonths } from '../adapters/closed-months.ts';
import type { CatalogWriter } from './catalog-writer.ts';

const requestSchema = z.strictObject({ period: z.string() });

export interface ClosePorts {
  readonly writer: Pick<CatalogWriter, 'currentPolicy'>;
  readonly closedMonths: ClosedMonths;
  readonly clock: Clock;
}

/** A month is over when it is in the policy's time zone. */
export async function closeLedgerMonth(
  { writer, closedMonths, clock }: ClosePorts,
  request: unknown,
): Promise<Close> {
  const parsed = requestSchema.safeParse(request);
  if (!parsed.success) return { kind: 'refused', reason: 'Send {"period": "YYYY-MM"}.' };
  const policy = await writer.currentPolicy();
  const timeZone =
    policy === undefined ? 'UTC' : policySnapshotSchema.parse(policy.snapshot).timeZone;
  const current = monthName(calendarDay(clock.nowMs(), timeZone).month);
  const closedThrough = await closedMonths.through();
  const result = closeMonth(parsed.data.period, { closedThrough, current });
  if (result.kind === 'closed') await closedMonths.closeThrough(result.closedThrough);
  return result;
}

export function closedAnswer(closedThrough: Period | undefined): object {
  const open = firstOpenPeriod(closedThrough);
  return { closedThrough: closedThrough ?? null, firstOpenPeriod: open === '' ? null : open };
}
