import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DIMENSIONS, type Limits } from '../../../core/limits/dimensions.ts';
import {
  everLimits,
  hasLimits,
  type LimitPlan,
  limitsAt,
  mapLimits,
  planFromCodes,
  planToCodes,
  planVersionOf,
  SCHEDULES_CODE,
  type Schedule,
} from '../../../core/limits/schedule.ts';

const DAY: Limits = { requestsPerMinute: 10, concurrentRequests: 4 };
const BASE: Limits = { requestsPerMinute: 100, nanoUsdPerMonth: 5e12 };
const WORKDAYS = [1, 2, 3, 4, 5];

function window(days: readonly number[], from: string, to: string, timeZone = 'UTC'): Schedule {
  const minute = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
  return { days, fromMinute: minute(from), toMinute: minute(to), timeZone, limits: DAY };
}

function isOpen(schedule: Schedule, moment: string): boolean {
  const limits = limitsAt({ ...BASE, schedules: [schedule] }, Date.parse(moment));
  return limits.requestsPerMinute === DAY.requestsPerMinute;
}

describe('limits with a schedule', () => {
  const office = window(WORKDAYS, '08:00', '18:00');

  it.each([
    ['before it begins', '2026-11-20T07:59:59.999Z', false],
    ['when it begins', '2026-11-20T08:00:00.000Z', true],
    ['just before it ends', '2026-11-20T17:59:59.999Z', true],
    ['when it ends', '2026-11-20T18:00:00.000Z', false],
    ['on a Saturday', '2026-11-21T12:00:00Z', false],
    ['on a Monday', '2026-11-23T12:00:00Z', true],
  ])('%s', (_, moment, expected) => {
    expect(isOpen(office, moment)).toBe(expected);
  });

  it('replaces the dimensions that the window names and keeps the others', () => {
    const plan = { ...BASE, schedules: [office] };
    expect(limitsAt(plan, Date.UTC(2026, 10, 20, 12))).toEqual({ ...BASE, ...DAY });
    expect(limitsAt(plan, Date.UTC(2026, 10, 20, 20))).toEqual(BASE);
  });

  it('follows the first of two windows that are open at once', () => {
    const lunch = { ...window([5], '12:00', '13:00'), limits: { requestsPerMinute: 1 } };
    const noon = Date.UTC(2026, 10, 20, 12, 30);
    expect(limitsAt({ ...BASE, schedules: [lunch, office] }, noon).requestsPerMinute).toBe(1);
    expect(limitsAt({ ...BASE, schedules: [office, lunch] }, noon).requestsPerMinute).toBe(10);
  });

  it.each([
    ['late on its day', '2026-11-20T22:00:00Z', true],
    ['after midnight, still its day', '2026-11-21T05:59:00Z', true],
    ['when it ends', '2026-11-21T06:00:00Z', false],
    ['late on the next day', '2026-11-21T22:00:00Z', false],
    ['early on its day, which is the night before', '2026-11-20T05:00:00Z', false],
  ])('crosses midnight on Friday: %s', (_, moment, expected) => {
    expect(isOpen(window([5], '22:00', '06:00'), moment)).toBe(expected);
  });

  it('crosses from Sunday to Monday', () => {
    const night = window([7], '22:00', '06:00');
    expect(isOpen(night, '2026-11-23T01:00:00Z')).toBe(true);
    expect(isOpen(night, '2026-11-24T01:00:00Z')).toBe(false);
  });

  it('may last a whole day', () => {
    const saturday = window([6], '00:00', '24:00');
    expect(isOpen(saturday, '2026-11-20T23:59:59Z')).toBe(false);
    expect(isOpen(saturday, '2026-11-21T00:00:00Z')).toBe(true);
    expect(isOpen(saturday, '2026-11-21T23:59:59Z')).toBe(true);
    expect(isOpen(saturday, '2026-11-22T00:00:00Z')).toBe(false);
  });
});

describe('summer time in Berlin', () => {
  const at = (from: string, to: string) => window([7], from, to, 'Europe/Berlin');

  it('moves the window by an hour of the world', () => {
    const morning = window(WORKDAYS, '08:00', '18:00', 'Europe/Berlin');
    expect(isOpen(morning, '2026-03-27T07:00:00Z')).toBe(true);
    expect(isOpen(morning, '2026-03-27T06:59:00Z')).toBe(false);
    expect(isOpen(morning, '2026-03-30T06:00:00Z')).toBe(true);
    expect(isOpen(morning, '2026-03-30T05:59:00Z')).toBe(false);
  });

  it('has no window inside the hour that is skipped', () => {
    const skipped = at('02:00', '03:00');
    expect(isOpen(skipped, '2026-03-29T00:59:59Z')).toBe(false);
    expect(isOpen(skipped, '2026-03-29T01:00:00Z')).toBe(false);
  });

  it('opens when the clock jumps over the begin', () => {
    const jumped = at('02:30', '03:30');
    expect(isOpen(jumped, '2026-03-29T00:59:59Z')).toBe(false);
    expect(isOpen(jumped, '2026-03-29T01:00:00Z')).toBe(true);
    expect(isOpen(jumped, '2026-03-29T01:30:00Z')).toBe(false);
  });

  it('has the window twice inside the hour that comes twice', () => {
    const twice = at('02:00', '02:30');
    expect(
      ['00:00', '00:30', '01:00', '01:29', '01:30'].map((time) =>
        isOpen(twice, `2026-10-25T${time}:00Z`),
      ),
    ).toEqual([true, false, true, true, false]);
  });
});

describe('zones', () => {
  it.each([
    ['Asia/Kathmandu', '2026-11-20T02:15:00Z'],
    ['Australia/Lord_Howe', '2026-11-19T21:00:00Z'],
    ['America/St_Johns', '2026-11-20T11:30:00Z'],
    ['Pacific/Kiritimati', '2026-11-19T18:00:00Z'],
  ])('opens at eight by the clock of %s', (zone, eight) => {
    const schedule = window([5], '08:00', '09:00', zone);
    const before = new Date(Date.parse(eight) - 1).toISOString();
    expect([isOpen(schedule, before), isOpen(schedule, eight)]).toEqual([false, true]);
  });

  it('gives the same answer in whatever order moments and zones are asked', () => {
    const moments = fc.array(
      fc.record({
        ms: fc.integer({ min: Date.UTC(2026, 0), max: Date.UTC(2027, 0) }),
        zone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York'),
      }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(moments, (asked) => {
        for (const { ms, zone } of asked) {
          const clock = new Intl.DateTimeFormat('en', {
            timeZone: zone,
            hour: 'numeric',
            hourCycle: 'h23',
          });
          const hour = Number(clock.format(ms));
          const expected = hour >= 8 && hour < 18;
          const every = window([1, 2, 3, 4, 5, 6, 7], '08:00', '18:00', zone);
          expect(isOpen(every, new Date(ms).toISOString())).toBe(expected);
        }
      }),
    );
  });
});

describe('a plan', () => {
  const limits = fc.record(
    { requestsPerMinute: fc.nat(1_000), nanoUsdPerMonth: fc.nat(1e9), tokensPerDay: fc.nat(1e6) },
    { requiredKeys: [] },
  );
  const schedule = fc.record({
    days: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
    fromMinute: fc.nat(1_439),
    toMinute: fc.integer({ min: 1, max: 1_440 }),
    timeZone: fc.constantFrom('UTC', 'Europe/Berlin'),
    limits,
  });
  const plan = fc
    .tuple(limits, fc.array(schedule, { maxLength: 3 }))
    .map(([base, schedules]): LimitPlan => ({ ...base, schedules }));

  it('survives the account item', () => {
    fc.assert(
      fc.property(plan, ({ schedules = [], ...base }) => {
        const expected = schedules.length === 0 ? base : { ...base, schedules };
        expect(planFromCodes(planToCodes({ ...base, schedules }))).toEqual(expected);
      }),
    );
  });

  it('stores its schedules under a code that no dimension has', () => {
    expect(Object.values(DIMENSIONS).map(({ code }) => String(code))).not.toContain(SCHEDULES_CODE);
  });

  it('has another version as soon as anything in it is another', () => {
    fc.assert(
      fc.property(plan, plan, (a, b) => {
        const text = ({ schedules = [], ...base }: LimitPlan) =>
          JSON.stringify([
            Object.entries(base).toSorted(),
            schedules.map((each) => [{ ...each, limits: Object.entries(each.limits).toSorted() }]),
          ]);
        expect(planVersionOf(a) === planVersionOf(b)).toBe(text(a) === text(b));
        expect(planVersionOf({ ...a })).toBe(planVersionOf(a));
      }),
    );
  });

  it('keeps its version when a window opens', () => {
    const scheduled = { ...BASE, schedules: [window([5], '08:00', '09:00')] };
    const before = planVersionOf(scheduled);
    limitsAt(scheduled, Date.UTC(2026, 10, 20, 8, 30));
    expect(planVersionOf(scheduled)).toBe(before);
    expect(before).not.toBe(planVersionOf(BASE));
  });

  it('limits a dimension that only a window names', () => {
    const scheduled = { schedules: [window([5], '08:00', '09:00')] };
    expect(everLimits(scheduled, 'concurrentRequests')).toBe(true);
    expect(everLimits(scheduled, 'tokensPerDay')).toBe(false);
    expect([hasLimits(scheduled), hasLimits({}), hasLimits(undefined)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('scales its windows with its limits', () => {
    const halved = mapLimits({ ...BASE, schedules: [window([5], '08:00', '09:00')] }, (limit) =>
      Math.floor(limit / 2),
    );
    expect(halved.requestsPerMinute).toBe(50);
    expect(halved.schedules?.[0]).toEqual({
      ...window([5], '08:00', '09:00'),
      limits: { requestsPerMinute: 5, concurrentRequests: 2 },
    });
  });

  it('is evaluated in microseconds', () => {
    const zone = 'Europe/Berlin';
    const plan: LimitPlan = {
      ...BASE,
      schedules: [window([6], '00:00', '24:00', zone), window(WORKDAYS, '08:00', '18:00', zone)],
    };
    const start = Date.UTC(2026, 10, 20, 12);
    const rounds = Array.from({ length: 5 }, () => {
      const before = performance.now();
      for (let call = 0; call < 2_000; call += 1) limitsAt(plan, start + call);
      return ((performance.now() - before) * 1_000) / 2_000;
    });
    expect(Math.min(...rounds)).toBeLessThan(5);
  });
});
