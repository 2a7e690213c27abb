import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const REFUSED = [
  ['core/limits', 'node:fs'],
  ['core/limits', '@aws-sdk/client-dynamodb'],
  ['core/limits', 'yaml'],
  ['core', '../lambdas/adapters/telemetry.ts'],
  ['lambdas/adapters', '../proxy/ports.ts'],
  ['lambdas/adapters', '@middy/core'],
  ['lambdas/proxy', '../admin/keys.ts'],
  ['lambdas/admin', '../../local/start.ts'],
  ['lambdas/usage-monitor', '../proxy/ports.ts'],
  ['lib', '../lambdas/proxy/ports.ts'],
  ['lib', '../local/start.ts'],
] as const;
const ALLOWED = [
  ['core/limits', 'node:crypto'],
  ['core/limits', '../errors.ts'],
  ['core/policy', 'yaml'],
  ['lambdas/adapters', '../../core/errors.ts'],
  ['lambdas/proxy', '../adapters/telemetry.ts'],
  ['local', '../lib/stage-config.ts'],
] as const;

/** A tree that breaks the rules on purpose, under the project's own linter settings. */
const tree = mkdtempSync(join(tmpdir(), 'tollgate-lint-'));
let report = '';

const fileOf = (folder: string, imported: string) =>
  `${folder}/imports-${imported.replace(/[^a-z]+/g, '-').replace(/^-|-$/g, '')}.ts`;

beforeAll(() => {
  cpSync('biome.json', join(tree, 'biome.json'));
  for (const [folder, imported] of [...REFUSED, ...ALLOWED]) {
    const path = join(tree, fileOf(folder, imported));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `import { thing } from '${imported}';\n\nexport const other = thing;\n`);
  }
  const args = [
    'lint',
    '--only=style/noRestrictedImports',
    '--reporter=github',
    '--max-diagnostics=100',
    '.',
  ];
  report = spawnSync(resolve('node_modules/.bin/biome'), args, {
    cwd: tree,
    encoding: 'utf8',
  }).stdout;
});
afterAll(() => rmSync(tree, { recursive: true }));

describe('the import rules', () => {
  it.each(REFUSED)('refuse that %s imports %s', (folder, imported) => {
    expect(report).toContain(`/${fileOf(folder, imported)},`);
  });

  it.each(ALLOWED)('let %s import %s', (folder, imported) => {
    expect(report).not.toContain(`/${fileOf(folder, imported)},`);
  });
});
