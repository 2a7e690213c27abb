/**
 * Soft limits of days and months: what a call reaches is told, under one name a period, and by one teller at a time. A
 * scope with several accounts tells what its slices show, so that nothing must be told there.
 */
import * as z from 'zod/mini';
import type { StoredItem } from '../../core/limits/account-write.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import { labelledAccount, scopeOf } from './account-names.ts';
import type { CallRecord } from './call-record.ts';
import type { Arrival } from './fake-dynamo.ts';
import { numberAt, softLimits } from './stored-item.ts';
import { type Amount, monthOf, tokensOf } from './true-money.ts';

export interface SoftChecks {
  /** The complaint about a claim to tell. */
  arrived(arrival: Arrival): string | undefined;
  sent(detail: string): void;
  /** Complaints when everything is over. */
  ended(calls: Iterable<CallRecord>, isHot: (scope: string) => boolean): string[];
  told(): { readonly softLimitsTold: number; readonly toldAgain: number };
}

const detailSchema = z.object({
  scope: z.string(),
  tenantId: z.string(),
  /** Absent where the whole tenant has crossed. */
  teamId: z._default(z.string(), ''),
  deduplicationId: z.string(),
});

/** A claim is a time; what is told is marked with a time far ahead. */
const CLAIM_SECONDS = 10;
const MARK = /^[ut][DM]\d+!$/;

export function createSoftChecks(): SoftChecks {
  /** How often each was sent: by account and mark. */
  const sent = new Map<string, number>();
  const ids = new Map<string, Set<string>>();
  return {
    arrived({ key, write, before, after }) {
      if (after === undefined) return undefined;
      for (const [[name], value] of write.set) {
        const isClaim = write.conditions.some(({ kind }) => kind === 'at-most');
        if (!MARK.test(name) || !isClaim || typeof value !== 'number') continue;
        if (numberAt(before ?? {}, name) > value - CLAIM_SECONDS)
          return `two tell at once: ${name} of ${key}`;
      }
      return undefined;
    },
    sent(detail) {
      const { scope, deduplicationId, ...caller } = detailSchema.parse(JSON.parse(detail));
      const [, , mark = ''] = deduplicationId.split('/');
      const name = `${labelledAccount(caller, scope)} ${mark}`;
      sent.set(name, (sent.get(name) ?? 0) + 1);
      ids.set(name, (ids.get(name) ?? new Set()).add(deduplicationId));
    },
    ended(calls, isHot) {
      const untold = new Set<string>();
      const isOwed = (call: CallRecord, name: string) =>
        call.certain.has(accountOf(name)) && !isHot(scopeOf(accountOf(name)));
      for (const call of calls)
        if (call.events.some(isAdmitted))
          for (const name of call.softCrossings)
            if (isOwed(call, name) && !sent.has(name)) untold.add(name);
      const renamed = [...ids].filter(
        ([name, all]) => MARK.test(name.split(' ')[1] ?? '') && all.size > 1,
      );
      return [
        ...[...untold].map((name) => `never told: ${name}`),
        ...renamed.map(([name]) => `told under several names: ${name}`),
      ];
    },
    told: () => {
      const all = [...sent.values()];
      const total = all.reduce((sum, each) => sum + each, 0);
      return { softLimitsTold: all.length, toldAgain: total - all.length };
    },
  };
}

/** Marks of the day's and month's soft limits that are reached and were not told. */
export function softMarksReached(
  item: StoredItem,
  day: number,
  { inDay, inMonth }: { readonly inDay: Amount; readonly inMonth: Amount },
): string[] {
  return Object.entries(softLimits(item)).flatMap(([code, limit]) => {
    const period = { D: day, M: monthOf(day) }[code.slice(1)];
    const committed = code.endsWith('D') ? inDay : inMonth;
    const used = code.startsWith('u') ? committed.nanoUsd : tokensOf(committed);
    const mark = `${code}${period}!`;
    const isReached = period !== undefined && limit > 0 && used >= limit;
    return isReached && numberAt(item, mark) === 0 ? [mark] : [];
  });
}

function accountOf(name: string): string {
  return name.slice(0, name.indexOf(' '));
}

function isAdmitted({ outcome }: UsageEvent): boolean {
  return outcome !== 'denied';
}
