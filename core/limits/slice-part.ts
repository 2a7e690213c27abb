/**
 * What of a shard's plan goes over to another shard, wherever in the plan it stands: always, in a schedule or in a raise. The
 * donor's plan less this and the receiver's with it sum to what they summed to, at any time. Decides from the plan alone.
 */
import { type Dimension, type Limits, mapDimensions } from './dimensions.ts';
import { addedTo, isOpen, isRaised, type LimitPlan, type Raise } from './schedule.ts';

/**
 * The shift of the limits in force, and as much of what the plan says with another raise, or with none, so that it stays moved
 * when a raise begins or ends. Of that never more than there is: a slice under zero would let the others grant more
 * than the limit, once it is in force (ADR 0040).
 */
export function partOf(plan: LimitPlan, shift: Limits, nowMs: number): LimitPlan {
  const { schedules, raises, soft: _soft, accounts: _accounts, ...base } = plan;
  const open = schedules?.findIndex((schedule) => isOpen(schedule, nowMs)) ?? -1;
  const scheduled = schedules?.[open]?.limits ?? {};
  const current = raises?.find((raise) => isRaised(raise, nowMs));
  const part = (limits: Limits, isInForce: (dimension: Dimension) => boolean) =>
    mapDimensions(limits, (limit, dimension) => {
      const amount = shift[dimension] ?? 0;
      return isInForce(dimension) ? amount : Math.min(amount, Math.max(0, limit));
    });
  const always = { ...base, ...scheduled };
  const plain = part(always, (dimension) => current?.limits[dimension] === undefined);
  const ofRaise = (raise: Raise) => {
    const raised = part(addedTo(always, raise.limits, 1), () => raise === current);
    return mapDimensions(raise.limits, (_, name) => (raised[name] ?? 0) - (plain[name] ?? 0));
  };
  return {
    ...mapDimensions(base, (_, name) => (scheduled[name] === undefined ? plain[name] : 0)),
    ...(raises && { raises: raises.map((raise) => ({ ...raise, limits: ofRaise(raise) })) }),
    ...(schedules && {
      schedules: schedules.map((schedule, index) => ({
        ...schedule,
        limits: mapDimensions(schedule.limits, (_, name) => (index === open ? plain[name] : 0)),
      })),
    }),
  };
}
