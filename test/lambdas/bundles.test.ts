import { build, type Metafile } from 'esbuild';
import { expect, it } from 'vitest';

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

/** All dialects are in; those of no call yet wait unparsed (ADR 0020). */
const PROXY_BYTES = 315_000;

it('the proxy holds the request path and nothing else', async () => {
  const { bytes, inputs, imports } = await bundled('proxy');
  expect(bytes).toBeLessThan(PROXY_BYTES);
  const packages = Object.entries(inputs).flatMap(([file, { bytesInOutput }]) =>
    bytesInOutput > 0 && file.includes('node_modules/')
      ? [file.replace(/^.*node_modules\//, '')]
      : [],
  );
  // Of zod the small half alone: no SDK, no Powertools, no middy, no second HTTP client, no tokenizer.
  const others = packages.filter(
    (file) => !/^zod\/(mini|v4\/(mini|core|locales))\/[\w-]+\.js$/.test(file),
  );
  expect(others).toEqual([]);
  expect(packages.length).toBeGreaterThan(0);
  // An ES import of node:http loads a second HTTP client (lambdas/adapters/builtin-http.ts).
  const builtins = imports.map(({ path }) => path);
  expect(builtins).toContain('node:https');
  expect(builtins).not.toContain('node:http');
});
