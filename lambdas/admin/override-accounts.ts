/** What overrides ask of accounts: what a scope has spent, and whether it has granted more than its limit. */
import type { PolicySnapshot } from '../../core/catalog/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import type { Override } from '../../core/governance/overrides.ts';
import type { Account } from '../../core/limits/account.ts';
import { type AccountStore, readScope } from '../../core/limits/account-store.ts';
import { type Moment, usedOf } from '../../core/limits/denial.ts';
import { DIMENSIONS } from '../../core/limits/dimensions.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import { limitsAt } from '../../core/limits/schedule.ts';
import { accountKey } from '../../core/tenancy/scopes.ts';
import type { OverridePorts } from './override-ports.ts';

export function createOverrideAccounts({
  store,
  clock,
}: {
  readonly store: AccountStore;
  readonly clock: Clock;
}): Pick<OverridePorts, 'spent' | 'isWithinLimit'> {
  const at = ({ timeZone }: PolicySnapshot): Moment =>
    momentOf(clock.nowMs(), calendarDay(clock.nowMs(), timeZone));
  const read = ({ scope }: Override) => readScope(store, accountKey(scope));
  return {
    async spent(override, policy) {
      const account = await read(override);
      if (account === undefined) return 0;
      const moment = at(policy);
      const used = usedOf(override.dimension, account, moment);
      return Math.max(0, used - held(account, override, moment));
    },
    async isWithinLimit(override, policy) {
      const account = await read(override);
      if (account === undefined) return true;
      const moment = at(policy);
      const limit = limitsAt(account.plan, moment.nowMs)[override.dimension] ?? Infinity;
      return usedOf(override.dimension, account, moment) <= limit;
    },
  };
}

/** What calls in flight may still spend or give back: it is nobody's to clear. */
function held(account: Account, { dimension }: Override, { day, month }: Moment): number {
  const { window, counts } = DIMENSIONS[dimension];
  return [...account.holds.values()]
    .filter((hold) =>
      window === 'day' ? hold.day === day && hold.countsDay : Math.floor(hold.day / 100) === month,
    )
    .map((hold) => (counts === 'nanoUsd' ? hold.nanoUsd : hold.inputTokens + hold.outputTokens))
    .reduce((sum, each) => sum + each, 0);
}
