import { describe, expect, it } from 'vitest';
import { changeLines, localTime, readMoment } from '../../cli/format.ts';

const PAINT = {
  green: (text: string) => text,
  red: (text: string) => text,
  yellow: (text: string) => text,
};

describe('changeLines', () => {
  it('marks what comes, goes and changes, and counts it', () => {
    const text = changeLines(
      [
        { kind: 'add', path: 'models.a', after: { tier: 'shared' } },
        { kind: 'change', path: 'time_zone', before: 'UTC', after: 'Europe/Berlin' },
        { kind: 'remove', path: 'models.b', before: { tier: 'premium' } },
      ],
      PAINT,
    );
    expect(text).toBe(`+ models.a  { tier: shared }
~ time_zone  UTC -> Europe/Berlin
- models.b  { tier: premium }

1 to add, 1 to change, 1 to remove.`);
  });

  it('hides no part of what comes whole, however large it is', () => {
    const teams = Object.fromEntries(
      Array.from({ length: 50 }, (_, index) => [
        `team.${index}`,
        { limits: { monthly_budget: `$${index}` } },
      ]),
    );
    const text = changeLines([{ kind: 'add', path: 'tenants.acme', after: { teams } }], PAINT);
    expect(text).toContain(
      '+ tenants.acme.teams."team.49"  { limits: { monthly_budget: $49 } }\n\n50 to add',
    );
  });
});

describe('readMoment', () => {
  const nowMs = Date.UTC(2026, 10, 21, 22);

  it.each([
    ['30m', '2026-11-21T22:30:00.000Z'],
    ['8h', '2026-11-22T06:00:00.000Z'],
    ['2d', '2026-11-23T22:00:00.000Z'],
    ['2026-12-24T06:00:00+01:00', '2026-12-24T05:00:00.000Z'],
  ])('reads %s', (text, expected) => {
    expect(new Date(readMoment(text, nowMs)).toISOString()).toBe(expected);
  });

  it.each([
    '',
    '8',
    'tomorrow',
    '06:00',
    '2026-12-24',
    '2026-12-24T06:00:00',
    '2026-13-24T06:00:00Z',
  ])('takes no moment from "%s", which says no zone or nothing', (text) => {
    expect(() => readMoment(text, nowMs)).toThrow(/is no moment/);
  });
});

describe('localTime', () => {
  it('says the zone, and a dash for what has not happened', () => {
    expect(localTime(Date.UTC(2026, 10, 21, 22))).toMatch(/^2026-11-2[12] \d\d:00 \S+$/);
    expect(localTime(null)).toBe('-');
  });
});
