import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);

/** Says the same things by a telemetry of this name, in a process of its own. */
const SCRIPT = `
  const [file, name] = process.argv.slice(1);
  const { [name]: create } = await import(file);
  const telemetry = create('proxy');
  telemetry.log('request', { requestId: 'r', status: 200, errorCode: undefined, isSlow: false });
  telemetry.report('usage spilled', 'only words');
  const cause = new TypeError('deep', { cause: 'deeper' });
  const fault = Object.assign(new RangeError('boom', { cause }), { code: 'E', size: 5n });
  telemetry.report('settlement failed', Object.assign(fault, { inner: new Error('i') }));
  function thrower() { throw new Error('thrown in a function'); }
  try { thrower(); } catch (error) { telemetry.report('stream broke', error); }
  telemetry.measure('requests');
  for (let count = 0; count < 103; count += 1) telemetry.measure('duplicateEvents', count);
  telemetry.flush();
  telemetry.measure('denied');
  telemetry.flush();`;

const LEAN = import.meta.resolve('../../../lambdas/adapters/lean-telemetry.ts');

function evaluated(script: string, args: readonly string[], env: Record<string, string> = {}) {
  return run(process.execPath, ['--input-type=module', '-e', script, ...args], {
    env: { PATH: process.env['PATH'], ...env },
  });
}

async function linesOf(file: string, name: string, env: Record<string, string>) {
  const url = new URL(`../../../lambdas/adapters/${file}`, import.meta.url).href;
  const { stdout, stderr } = await evaluated(SCRIPT, [url, name], env);
  const lines = (text: string) =>
    text
      .trim()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.stringify(JSON.parse(line), withoutMoments));
  return { stdout: lines(stdout), stderr: lines(stderr) };
}

/** Times, and where in the telemetry itself an error was made. */
function withoutMoments(name: string, value: unknown): unknown {
  if (name === 'timestamp' || name === 'Timestamp') return typeof value;
  if ((name === 'stack' || name === 'location') && String(value).includes('telemetry.ts'))
    return '';
  return value;
}

describe('lines without Powertools', () => {
  it.each([
    ['with no more than a name', {}],
    [
      'with a trace',
      { _X_AMZN_TRACE_ID: 'Root=1-a-b;Parent=c;Sampled=1', POWERTOOLS_LOG_LEVEL: 'INFO' },
    ],
    ['of errors alone', { POWERTOOLS_LOG_LEVEL: 'ERROR' }],
    ['of nothing but the worst', { POWERTOOLS_LOG_LEVEL: 'CRITICAL' }],
  ])('are those of Powertools, %s', async (_what, env) => {
    const [ours, theirs] = await Promise.all([
      linesOf('lean-telemetry.ts', 'createLeanTelemetry', env),
      linesOf('telemetry.ts', 'createTelemetry', env),
    ]);
    expect(ours).toEqual(theirs);
    expect(ours.stdout.length).toBeGreaterThan(2);
  });

  it('survive a fault that holds itself, where Powertools does not', async () => {
    const script = `
      const { createLeanTelemetry } = await import(process.argv[1]);
      const fault = new Error('round');
      createLeanTelemetry('proxy').report('stream broke', Object.assign(fault, { socket: fault }));`;
    const { stderr } = await evaluated(script, [LEAN]);
    expect(JSON.parse(stderr)).toMatchObject({ error: { message: 'round' } });
  });

  it('name the sources of minified code when a fault is told', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'tollgate-map-'));
    const outfile = join(dir, 'index.mjs');
    await build({
      stdin: {
        contents: `import { createLeanTelemetry } from ${JSON.stringify(fileURLToPath(LEAN))};
          function aNameThatIsLost() { throw new Error('told'); }
          try { aNameThatIsLost(); } catch (error) { createLeanTelemetry('p').report('stream broke', error); }`,
        sourcefile: 'original.ts',
        resolveDir: dir,
      },
      ...{ outfile, bundle: true, platform: 'node', format: 'esm' },
      ...{ minify: true, sourcemap: true, sourcesContent: false },
    });
    const { stderr } = await run(process.execPath, [outfile]);
    rmSync(dir, { recursive: true });
    const { location, stack } = JSON.parse(stderr).error;
    expect(location).toMatch(/original\.ts:2$/);
    expect(stack).not.toContain('index.mjs');
  });
});
