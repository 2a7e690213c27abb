import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const module = JSON.stringify(import.meta.resolve('../../../lambdas/adapters/collector.ts'));
/** Some megabytes that live, among many that do not. */
const YOUNG = 'const kept = []; for (let i = 0; i < 3e6; i += 1) if (i % 20 === 0) kept.push([i]);';
/** The same, moved by full collections. */
const FULL = `for (let time = 0; time < 8; time += 1) { ${YOUNG} gc(); }`;

/** Milliseconds that helpers took for one phase of each collection after the call. */
function helped(work: string, kind: string, phase: string): readonly number[] {
  const code = `const { collectOnOneThread } = await import(${module}); gc(); collectOnOneThread(); ${work}`;
  const options = ['--expose-gc', '--trace-gc-nvp', '--input-type=module', '--eval', code];
  const { stdout } = spawnSync(process.execPath, options, { encoding: 'utf8' });
  const lines = stdout.split('\n');
  const called = lines.findIndex((line) => line.includes(' gc=mc '));
  return lines
    .slice(called + 1)
    .filter((line) => line.includes(` gc=${kind} `))
    .map((line) => Number(line.split(` background.${phase}=`)[1]?.split(' ')[0]));
}

test.each([
  ['young objects', YOUNG, 's', 'scavenge.parallel'],
  ['what a full collection moves', FULL, 'mc', 'evacuate.copy'],
  ['what points to it', FULL, 'mc', 'evacuate.update_pointers'],
])('%s: no other thread helps', (_, work, kind, phase) => {
  const times = helped(work, kind, phase);
  expect(times.length).toBeGreaterThan(1);
  expect(times).toEqual(times.map(() => 0));
});
