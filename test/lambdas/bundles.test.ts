import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { afterAll, describe, expect, it } from 'vitest';
import { bundleLean } from '../../lib/lean-bundle.ts';
import { projectRoot } from '../../lib/project-root.ts';

/** Inputs and size of a function's bundle, as lib/constructs/gateway-function.ts makes it. */
async function bundled(name: string): Promise<Metafile['outputs'][string]> {
  const { metafile } = await build({
    entryPoints: [`lambdas/${name}/handler.ts`],
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    mainFields: ['module', 'main'],
    minify: true,
    write: false,
    metafile: true,
  });
  const [output] = Object.values(metafile.outputs);
  if (output === undefined) throw new Error('esbuild wrote nothing');
  return output;
}

const BOOK = 'core/catalog/price-book.json';

it('the price book travels with the function that applies policies, and with no function that calls wait for', async () => {
  const share = async (name: string) => (await bundled(name)).inputs[BOOK]?.bytesInOutput ?? 0;
  expect(await share('admin')).toBeGreaterThan(50_000);
  for (const name of [
    'proxy',
    'reaper',
    'usage-monitor',
    'spill-drain',
    'ledger-writer',
    'statements',
    'reconciler',
    'audit-shipper',
    'alert-router',
  ]) {
    expect(await share(name)).toBe(0);
  }
});

/** What a start loads before it asks for the policy, all that it loads, and all that is shipped (ADR 0035). */
const EAGER_BYTES = 125_000;
const START_BYTES = 240_000;
const PROXY_BYTES = 349_000;
const HANDLER = 'lambdas/proxy/handler.ts';
const BESIDE_THE_READ = [
  'lambdas/proxy/start.ts',
  'core/catalog/snapshot.ts',
  'core/dialects/openai/chat.ts',
];

describe('the proxy', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-proxy-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const { outputs } = bundleLean('proxy', folder);
  const code = Object.entries(outputs).filter(([file]) => file.endsWith('.mjs'));
  const eager = eagerFiles(outputs);
  const late = code.filter(
    ([, { entryPoint }]) => entryPoint !== undefined && entryPoint !== HANDLER,
  );

  it('asks for the policy with one file behind its entry', () => {
    expect(eager.length).toBe(2);
    expect(sizeOf(eager)).toBeLessThan(EAGER_BYTES);
    const loaded = eager.flatMap(({ inputs }) => Object.keys(inputs));
    expect(loaded).toContain('lambdas/adapters/dynamo-directory.ts');
    expect(
      loaded.filter((file) => /\/serve|attempt|upstream|chat-call|converse/.test(file)),
    ).toEqual([]);
  });

  it('loads the request path while the policy is on its way', () => {
    const meanwhile = late
      .map(([, output]) => output)
      .filter(({ entryPoint = '' }) => BESIDE_THE_READ.includes(entryPoint));
    expect(meanwhile.length).toBe(BESIDE_THE_READ.length);
    expect(sizeOf([...eager, ...meanwhile])).toBeLessThan(START_BYTES);
    expect(meanwhile.flatMap(({ inputs }) => Object.keys(inputs))).toContain('core/serve.ts');
  });

  it('holds the request path and nothing else', () => {
    const all = code.map(([, output]) => output);
    expect(sizeOf(all)).toBeLessThan(PROXY_BYTES);
    const packages = all.flatMap(({ inputs }) =>
      Object.entries(inputs).flatMap(([file, { bytesInOutput }]) =>
        bytesInOutput > 0 && file.includes('node_modules/')
          ? [file.replace(/^.*node_modules\//, '')]
          : [],
      ),
    );
    // Of zod the small half alone: no SDK, no Powertools, no middy, no second HTTP client, no tokenizer.
    const others = packages.filter(
      (file) => !/^zod\/(mini|v4\/(mini|core|locales))\/[\w-]+\.js$/.test(file),
    );
    expect(others).toEqual([]);
    expect(packages.length).toBeGreaterThan(0);
  });

  it('makes no namespace of a module of Node', () => {
    // One of node:http loads a second HTTP client, and one of node:util much that nobody needs.
    const builtins = code.flatMap(([, { imports }]) =>
      imports.filter(({ external, kind }) => external === true && kind === 'import-statement'),
    );
    expect(builtins).toEqual([]);
  });

  it('loads nothing but one file for each part that waits', () => {
    expect(late.length).toBeGreaterThan(8);
    // What another file has that several of them need is to be imported by lambdas/proxy/shared.ts.
    const others = late.flatMap(([, { imports }]) =>
      imports
        .filter(({ kind, path }) => kind === 'import-statement' && outputs[path] !== eager[1])
        .map(({ path }) => outputs[path]?.inputs),
    );
    expect(others).toEqual([]);
  });

  it('starts from what was bundled, and loads each part that waits', async () => {
    const loaded: unknown = await import(join(folder, 'index.mjs')).catch(String);
    // It gets as far as the environment, which is not there.
    expect(loaded).toContain('missing environment variables: ACCOUNTS_TABLE');
    for (const [file] of late)
      expect(Object.keys(await import(join(projectRoot, file)))).not.toEqual([]);
  });
});

type Outputs = Metafile['outputs'];

/** The entry and what it imports, and what that imports. */
function eagerFiles(outputs: Outputs): Outputs[string][] {
  const entry = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint === HANDLER);
  const seen = new Set<string>();
  const visit = (file: string): Outputs[string][] => {
    const output = outputs[file];
    if (output === undefined || seen.has(file)) return [];
    seen.add(file);
    const imported = output.imports.filter(({ kind }) => kind === 'import-statement');
    return [output, ...imported.flatMap(({ path }) => visit(path))];
  };
  return entry === undefined ? [] : visit(entry[0]);
}

function sizeOf(files: readonly Outputs[string][]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
