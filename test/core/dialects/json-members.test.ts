import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { membersOf } from '../../../core/dialects/json-members.ts';
import { jsonObjects } from './written-json.ts';

const found = (text: string) => membersOf(Buffer.from(text), countNames(JSON.parse(text)));

function countNames(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce<number>((sum, each) => sum + countNames(each), own);
}

describe('the members of a JSON object', () => {
  it('are where JSON.parse finds them, however the object is written', () => {
    let foundObjects = 0;
    const isFound = (text: string) => {
      const members = found(text);
      if (members === undefined) return;
      foundObjects += 1;
      const parsed = [...members].map(([name, value]) => [name, JSON.parse(`${value}`)]);
      expect(Object.fromEntries(parsed)).toEqual({ ...JSON.parse(text) });
    };
    fc.assert(fc.property(jsonObjects, isFound), { numRuns: 3_000 });
    expect(foundObjects).toBeGreaterThan(500);
  });

  it('are not told where a name comes twice, at any depth', () => {
    expect(found('{"a":1,"b":[{"a":1}],"c":{"b":2}}')?.size).toBe(3);
    for (const text of [
      '{"a":1,"a":1}',
      '{"b":[{"a":1,"a":{}}]}',
      '{"a":{"x":1},"a":3}',
      '{"b":{"a":{"c":1,"c":2}}}',
    ])
      expect(found(text)).toBeUndefined();
  });

  it('are not told where a name is written with an escape, which V8 may have misread', () => {
    for (const text of ['{"\\u0061":1}', '{"b":[{"x\\"":1}]}', '{"a\\\\":1}'])
      expect(found(text)).toBeUndefined();
    expect(found('{"a":"\\u0061\\"b\\":","c":["\\\\"]}')?.get('a')?.toString()).toBe(
      '"\\u0061\\"b\\":"',
    );
  });

  it('are not told where a text has no end', () => {
    for (const text of ['"a', `"${'a'.repeat(99)}`, `"${'a'.repeat(99)}\\"`])
      expect(membersOf(Buffer.from(`{"b":${text}`), 1)).toBeUndefined();
  });

  it('are none in an empty object', () => {
    expect(found(' { } ')).toEqual(new Map());
  });
});
