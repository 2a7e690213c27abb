import { describe, expect, it } from 'vitest';
import { matchesPattern } from '../../../local/aws/event-pattern.ts';
import { transformInput } from '../../../local/aws/input-transformer.ts';

const event = {
  source: 'tollgate',
  'detail-type': 'Budget threshold crossed',
  resources: ['arn:one', 'arn:two'],
  time: '2026-11-20T00:00:00Z',
  detail: {
    percent: 80,
    team: 'search',
    stage: null,
    premium: true,
    tags: ['a', 'b'],
    n: { m: 1 },
  },
};

describe('an event pattern', () => {
  it.each<[unknown, boolean]>([
    [{ source: ['tollgate'] }, true],
    [{ source: ['other', 'tollgate'] }, true],
    [{ source: ['other'] }, false],
    [{ source: ['Tollgate'] }, false],
    [{ source: [{ 'equals-ignore-case': 'TollGate' }] }, true],
    [{ source: ['tollgate'], 'detail-type': ['nothing'] }, false],
    [{ 'detail-type': [{ prefix: 'Budget' }] }, true],
    [{ 'detail-type': [{ prefix: 'budget' }] }, false],
    [{ 'detail-type': [{ suffix: 'crossed' }] }, true],
    [{ detail: { percent: [80] } }, true],
    [{ detail: { percent: ['80'] } }, false],
    [{ detail: { percent: [{ numeric: ['>=', 80] }] } }, true],
    [{ detail: { percent: [{ numeric: ['>', 50, '<', 80] }] } }, false],
    [{ detail: { percent: [{ numeric: ['>', 50, '<=', 80] }] } }, true],
    [{ detail: { percent: [{ numeric: ['=', 80] }] } }, true],
    [{ detail: { team: [{ numeric: ['>', 0] }] } }, false],
    [{ detail: { team: [{ 'anything-but': 'search' }] } }, false],
    [{ detail: { team: [{ 'anything-but': ['ads', 'maps'] }] } }, true],
    [{ detail: { team: [{ 'anything-but': { prefix: 'se' } }] } }, false],
    [{ detail: { team: [{ 'anything-but': { suffix: ['x', 'y'] } }] } }, true],
    [{ detail: { none: [{ 'anything-but': 'x' }] } }, false],
    [{ detail: { team: [{ exists: true }] } }, true],
    [{ detail: { none: [{ exists: true }] } }, false],
    [{ detail: { none: [{ exists: false }] } }, true],
    [{ detail: { none: { deeper: [{ exists: false }] } } }, true],
    [{ detail: { stage: [null] } }, true],
    [{ detail: { premium: [true] } }, true],
    [{ detail: { tags: ['b', 'c'] } }, true],
    [{ detail: { tags: ['c'] } }, false],
    [{ resources: [{ prefix: 'arn:t' }] }, true],
    [{ detail: { n: { m: [1] } } }, true],
    [{ $or: [{ source: ['other'] }, { detail: { percent: [80] } }] }, true],
    [{ $or: [{ source: ['other'] }, { detail: { percent: [81] } }] }, false],
    [{ detail: { $or: [{ team: ['x'] }, { team: ['search'] }] } }, true],
    [{ constructor: [{ exists: true }] }, false],
  ])('%j matches: %s', (pattern, expected) => {
    expect(matchesPattern(pattern, event)).toBe(expected);
  });

  it.each([
    'text',
    { source: 'tollgate' },
    { source: [{ wildcard: 'x*' }] },
    { source: [{ numeric: ['>', 'x'] }] },
    { source: [{ numeric: [] }] },
    { $or: [{ source: ['x'] }] },
    { account: ['another'], source: [{ wildcard: 'x*' }] },
    { account: [{ exists: false }, { wildcard: 'x*' }] },
  ])('refuses %j', (pattern) => {
    expect(() => matchesPattern(pattern, {})).toThrow('Event pattern is not valid');
  });
});

describe('an input transformer', () => {
  const rule = { name: 'budget', arn: 'arn:rule' };
  const inputPaths = {
    team: '$.detail.team',
    percent: '$.detail.percent',
    second: '$.resources[1]',
    tags: '$.detail.tags',
    none: '$.detail.none',
  };

  it.each([
    ['"Team <team> is at <percent> %"', '"Team search is at 80 %"'],
    ['{"team": <team>, "tags": <tags>}', '{"team": "search", "tags": ["a","b"]}'],
    ['{"text": "<second>: <tags>"}', '{"text": "arn:two: [\\"a\\",\\"b\\"]"}'],
    ['"<none>"', '""'],
    [
      '"<aws.events.rule-name> at <aws.events.event.ingestion-time>"',
      '"budget at 2026-11-20T00:00:00Z"',
    ],
    ['"a \\" <team>"', '"a \\" search"'],
    ['"<unknown> stays"', '"<unknown> stays"'],
  ])('makes of %s', (inputTemplate, expected) => {
    expect(transformInput({ inputPaths, inputTemplate }, event, rule)).toBe(expected);
  });

  it('gives the whole event', () => {
    const whole = transformInput({ inputTemplate: '<aws.events.event.json>' }, event, rule);
    expect(JSON.parse(whole)).toEqual(event);
  });
});
