import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { cronOf, startSchedule } from '../../local/schedule.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 20, 11, 58, 30) });
});
afterEach(() => {
  vi.useRealTimers();
});

it.each([
  ['rate(5 minutes)', 60, 12],
  ['rate(1 hour)', 180, 3],
  ['cron(0 * * * ? *)', 180, 3],
  ['cron(0/15 12 * * ? *)', 120, 4],
  ['cron(30 12 ? * MON-FRI *)', 60, 1],
  ['cron(30 12 ? * SAT,SUN *)', 60, 0],
])('%s runs in %i minutes %i times', (expression, minutes, times) => {
  const run = vi.fn();
  const stop = startSchedule(expression, run);
  vi.advanceTimersByTime(minutes * 60_000);
  expect(run).toHaveBeenCalledTimes(times);
  stop();
  vi.advanceTimersByTime(86_400_000 * 7);
  expect(run).toHaveBeenCalledTimes(times);
});

it.each([
  ['cron(0 3 1 * ? *)', '2026-12-01T03:00:00Z', true],
  ['cron(0 3 1 * ? *)', '2026-12-02T03:00:00Z', false],
  ['cron(0 3 ? JAN * *)', '2027-01-05T03:00:00Z', true],
  ['cron(0 3 ? JAN * *)', '2027-02-05T03:00:00Z', false],
  ['cron(0 3 ? * 1 2027)', '2027-01-03T03:00:00Z', true],
  ['cron(10-20/5 * * * ? *)', '2026-12-01T03:15:00Z', true],
  ['cron(10-20/5 * * * ? *)', '2026-12-01T03:16:00Z', false],
])('%s at %s: %s', (expression, time, expected) => {
  expect(cronOf(expression)(new Date(time))).toBe(expected);
});

it.each(['cron(0 3 L * ? *)', 'cron(0 3)', 'at(2026-11-20T00:00:00)', 'rate(5 weeks)'])(
  'refuses %s',
  (expression) => {
    expect(() => startSchedule(expression, () => {})).toThrow(expression);
  },
);
