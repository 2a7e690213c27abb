import { expect, it } from 'vitest';
import { corpus } from '../../bench/corpus.ts';

it('has prompts of four kinds, each of some length and in its own script', () => {
  const { prose, code, cjk, json } = corpus();
  for (const prompts of [prose, code, cjk, json]) {
    expect(prompts.length).toBeGreaterThan(50);
    expect(Math.min(...prompts.map((each) => each.length))).toBeGreaterThan(300);
  }
  expect(new Set(cjk).size).toBeGreaterThan(100);
  expect(cjk.every((each) => !/[a-z]/i.test(each))).toBe(true);
  expect(prose.every((each) => !each.includes('```'))).toBe(true);
  // Compact, which is where a quarter of the bytes falls short of most.
  expect(json.every((each) => !each.includes('\n'))).toBe(true);
});
