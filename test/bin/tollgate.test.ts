import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../../lib/project-root.ts';

const folder = mkdtempSync(join(tmpdir(), 'tollgate-bin-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** As a user would run it, from another directory, without credentials. */
function runBin(stage: string): {
  readonly status: number | null;
  readonly output: string;
  readonly files: string[];
} {
  const out = join(folder, stage);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(projectRoot, 'bin/tollgate.ts')],
    {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder, CDK_OUTDIR: out, TOLLGATE_STAGE: stage },
      encoding: 'utf8',
      timeout: 60_000,
    },
  );
  return { status, output: `${stdout}${stderr}`, files: status === 0 ? readdirSync(out) : [] };
}

describe('bin/tollgate', () => {
  let dev: ReturnType<typeof runBin>;
  beforeAll(() => {
    dev = runBin('dev');
  }, 60_000);

  it('synthesizes a stage with all rules passed', () => {
    expect(dev.output).not.toContain('ERROR');
    expect(dev.status).toBe(0);
    expect(dev.files).toEqual(
      expect.arrayContaining([
        'manifest.json',
        'tollgate-dev-data.template.json',
        'tollgate-dev-gateway.template.json',
      ]),
    );
  });

  it('bundles each function as one ES module with a source map, and the proxy as several', () => {
    const bundles = dev.files
      .filter((file) => file.startsWith('asset.') && !file.includes('.json'))
      .map((bundle) => readdirSync(join(folder, 'dev', bundle)).sort());
    expect(bundles).toHaveLength(10);
    const several = bundles.filter((files) => files.length > 2);
    expect(several).toHaveLength(1);
    for (const files of bundles) {
      expect(files).toEqual(expect.arrayContaining(['index.mjs', 'index.mjs.map']));
      const maps = files.filter((file) => file.endsWith('.mjs')).map((file) => `${file}.map`);
      expect(files.filter((file) => !file.endsWith('.mjs'))).toEqual(maps);
    }
  });

  // cfn-lint is a Python program; .ci/run installs it, and a machine without it can still run the tests.
  it.skipIf(spawnSync('cfn-lint', ['--version']).status !== 0)(
    'writes templates that cfn-lint accepts',
    () => {
      const templates = dev.files.filter((file) => file.endsWith('.template.json'));
      const paths = templates.map((file) => join(folder, 'dev', file));
      const { status, stdout } = spawnSync('cfn-lint', paths, { encoding: 'utf8' });
      expect(stdout).toBe('');
      expect(status).toBe(0);
    },
  );

  it('puts no path of this machine into a template', () => {
    for (const file of dev.files.filter((name) => name.endsWith('.template.json'))) {
      expect(readFileSync(join(folder, 'dev', file), 'utf8')).not.toContain(projectRoot);
    }
  });

  it('names the file of a stage that does not exist', () => {
    const { status, output } = runBin('staging');
    expect(status).not.toBe(0);
    expect(output).toContain('config/staging.yaml: expected the settings of stage "staging"');
    // It loads the whole of the CDK, which takes long on a busy machine.
  }, 120_000);
});
