/**
 * Today and yesterday, in accounts that count days: those of scopes with a limit of the day. Their counters know dollars and
 * tokens of both kinds together. The month is what proves the money; a day that differs in a month that agrees was
 * charged by another clock, or its limit is younger than the day. So it is a row, and no alert.
 */
import * as z from 'zod/mini';
import type { EpochMs } from '../clock.ts';
import { type Account, counterName, counterValue } from '../limits/account.ts';
import { calendarDay, periodEnd } from '../limits/periods.ts';
import { accountKey } from '../tenancy/scopes.ts';

const daySchema = z.object({ number: z.int(), fromMs: z.int(), toMs: z.int() });
/** A calendar day of the policy's time zone: YYYYMMDD, and its begin and end. */
export type Day = z.infer<typeof daySchema>;

const amountsSchema = z.object({ nanoUsd: z.int(), tokens: z.int() });
type DayAmounts = z.infer<typeof amountsSchema>;

const scopeDaySchema = z.extend(amountsSchema, { scope: z.string(), day: z.int() });
/** What an account has settled of a day, less what was posted at its hold. */
export type ScopeDay = z.infer<typeof scopeDaySchema>;

export const daysSchema = z.object({ days: z.array(daySchema), scopes: z.array(scopeDaySchema) });
export type DaysRead = z.infer<typeof daysSchema>;

const HOUR_MS = 3_600_000;

/** No day is longer than 25 hours or shorter than 23. */
export function todayAndYesterday(atMs: EpochMs, timeZone: string): readonly Day[] {
  const dayUntil = (toMs: EpochMs): Day => {
    const fromMs = periodEnd(toMs - 26 * HOUR_MS, timeZone, 'day');
    return { number: calendarDay(fromMs, timeZone).day, fromMs, toMs };
  };
  const today = dayUntil(periodEnd(atMs, timeZone, 'day'));
  return [dayUntil(today.fromMs), today];
}

/** Of an account, the days among those named that it counts. */
export function daysOf(scope: string, account: Account, days: readonly Day[]): ScopeDay[] {
  return days.flatMap(({ number }) => {
    const isCounted = (['nanoUsdPerDay', 'tokensPerDay'] as const).some((counter) =>
      account.counters.has(counterName(counter, number)),
    );
    if (!isCounted) return [];
    const taken = {
      scope,
      day: number,
      nanoUsd: counterValue(account, 'nanoUsdPerDay', number),
      tokens: counterValue(account, 'tokensPerDay', number),
    };
    for (const hold of account.holds.values()) {
      if (hold.day !== number || !hold.countsDay) continue;
      taken.nanoUsd -= hold.nanoUsd;
      taken.tokens -= hold.inputTokens + hold.outputTokens;
    }
    return [taken];
  });
}

export interface LedgerDay {
  readonly tenantId: string;
  readonly teamId: string;
  readonly keyId: string;
  readonly day: number;
  /** Of calls that began within the day, and had closed for certain. */
  readonly sure: DayAmounts;
  /** Of calls that began or closed about when clocks may disagree. */
  readonly maybe: DayAmounts;
}

export interface DayComparison {
  readonly scope: string;
  /** `YYYY-MM-DD` */
  readonly day: string;
  readonly verdict: 'equal' | 'in-flight' | 'day differs';
  readonly settled: DayAmounts;
  readonly booked: DayAmounts;
}

export function compareDays(
  { scopes }: DaysRead,
  ledger: readonly LedgerDay[],
): readonly DayComparison[] {
  return scopes.map(({ scope, day, nanoUsd, tokens }) => {
    const rows = ledger.filter((row) => row.day === day && scopesOf(row).includes(scope));
    const sum = (of: 'sure' | 'maybe', amount: keyof DayAmounts) =>
      rows.reduce((total, row) => total + row[of][amount], 0);
    const isNear = (amount: keyof DayAmounts, settled: number) =>
      Math.abs(settled - sum('sure', amount)) <= sum('maybe', amount);
    const booked = { nanoUsd: sum('sure', 'nanoUsd'), tokens: sum('sure', 'tokens') };
    const isEqual = nanoUsd === booked.nanoUsd && tokens === booked.tokens;
    const isWithin = isNear('nanoUsd', nanoUsd) && isNear('tokens', tokens);
    return {
      scope,
      day: String(day).replace(/^(\d{4})(\d\d)/, '$1-$2-'),
      verdict: isEqual ? 'equal' : isWithin ? 'in-flight' : 'day differs',
      settled: { nanoUsd, tokens },
      booked,
    };
  });
}

function scopesOf({ tenantId, teamId, keyId }: LedgerDay): readonly string[] {
  return [
    accountKey({ kind: 'key', keyId }),
    accountKey({ kind: 'team', tenantId, teamId }),
    accountKey({ kind: 'tenant', tenantId }),
  ];
}
