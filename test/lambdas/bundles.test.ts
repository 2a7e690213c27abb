import { build } from 'esbuild';
import { expect, it } from 'vitest';

/** Bytes that a file contributes to a function's bundle. */
async function share(entry: string, file: string): Promise<number> {
  const { metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'esm',
    minify: true,
    write: false,
    metafile: true,
  });
  const [output] = Object.values(metafile.outputs);
  return output?.inputs[file]?.bytesInOutput ?? 0;
}

const BOOK = 'core/catalog/price-book.json';

it('the price book travels with the function that applies policies, and with no function that calls wait for', async () => {
  expect(await share('lambdas/admin/handler.ts', BOOK)).toBeGreaterThan(50_000);
  for (const name of [
    'proxy',
    'reaper',
    'usage-monitor',
    'spill-drain',
    'ledger-writer',
    'statements',
    'reconciler',
  ]) {
    expect(await share(`lambdas/${name}/handler.ts`, BOOK)).toBe(0);
  }
});
