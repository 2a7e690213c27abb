import { expect, it } from 'vitest';
import { createRefusedLately } from '../../../core/limits/refused-lately.ts';

it('remembers a refusal for half a minute, by its key', () => {
  const refusals = createRefusedLately();
  expect(refusals.has('key/a', 0)).toBe(false);
  refusals.note('key/a', 1_000, true);
  expect(refusals.has('key/a', 30_999)).toBe(true);
  expect(refusals.has('key/a', 31_000)).toBe(false);
  expect(refusals.has('key/b', 1_000)).toBe(false);
});

it('forgets it when a call is granted', () => {
  const refusals = createRefusedLately();
  refusals.note('key/a', 0, true);
  refusals.note('key/a', 1, false);
  expect(refusals.has('key/a', 2)).toBe(false);
});

it('keeps no more than ten thousand', () => {
  const refusals = createRefusedLately();
  for (let key = 0; key <= 10_000; key += 1) refusals.note(`key/${key}`, 0, true);
  expect(refusals.has('key/0', 1)).toBe(false);
  expect(refusals.has('key/10000', 1)).toBe(true);
});
