import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const module = JSON.stringify(import.meta.resolve('../../../lambdas/adapters/collector.ts'));
/** Some megabytes that live, among many that do not. */
const WORK = 'const kept = []; for (let i = 0; i < 3e6; i += 1) if (i % 20 === 0) kept.push([i]);';

test('young objects are collected without help from other threads', () => {
  const code = `const { collectOnOneThread } = await import(${module}); collectOnOneThread(); ${WORK}`;
  const options = ['--trace-gc-nvp', '--input-type=module', '--eval', code];
  const { stdout } = spawnSync(process.execPath, options, { encoding: 'utf8' });
  const helped = [...stdout.matchAll(/ gc=s .* background\.scavenge\.parallel=([\d.]+)/g)];
  expect(helped.length).toBeGreaterThan(1);
  // What was collected before the call is not its matter.
  expect(helped.slice(1).map(([, ms]) => Number(ms))).toEqual(helped.slice(1).map(() => 0));
});
