import { describe, expect, it } from 'vitest';
import { priorityOf } from '../../../core/tenancy/priority.ts';

describe('the priority of a call', () => {
  it.each([
    [undefined, undefined, 'normal'],
    [undefined, 'high', 'normal'],
    [undefined, 'low', 'low'],
    ['high', 'high', 'high'],
    [' High ', 'high', 'high'],
    ['low', 'high', 'low'],
    ['high', undefined, 'normal'],
    ['high', 'normal', 'normal'],
    ['normal', 'low', 'low'],
  ] as const)('asked as %j with a key of %j is %s', (header, most, priority) => {
    expect(priorityOf(header, most)).toBe(priority);
  });

  it.each(['', 'urgent', '-99', 'high,low', 'constructor'])('is refused as %j', (header) => {
    expect(() => priorityOf(header)).toThrow(
      expect.objectContaining({ code: 'invalid_request', param: 'x-tollgate-priority' }),
    );
  });
});
