/**
 * The proxy as it is deployed on managed instances: its bundle in one process, which serves many calls at a time and leases
 * room in the accounts. In the place of the Runtime API stands a plain server.
 */
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { leanOptions } from '../../lib/lean-options.ts';
import { startChildServer } from '../child-server.ts';
import { LEASED_PROJECT } from '../policy.ts';
import { TABLES } from '../table/fill-tables.ts';
import { CACHE_SECRET } from '../table/table-stub.ts';
import { filledTable, started, stopAll } from './gateway.ts';
import type { Start } from './target.ts';

const UNLIMITED = 1_000_000;

export const managedInstance: Start = async ({ bundle, providerUrl, keys, dataDir }) => {
  if (bundle === undefined) throw new Error('the proxy is not synthesized');
  const table = await filledTable({
    ...{ providerUrl, keys, roundTripMs: 4, unitsPerSecond: UNLIMITED },
  });
  const env = {
    ...bundle.env,
    NODE_OPTIONS: leanOptions('managed-instances'),
    ACCOUNTS_TABLE: TABLES.accountsTable,
    CATALOG_TABLE: TABLES.catalogTable,
    PROVIDER_SECRETS: '{"bench":"bench","hot":"hot"}',
    CACHE_SECRET,
    LEASES: 'on',
    AWS_ENDPOINT_URL: table.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
  };
  const module = await plainJavaScript(import.meta.resolve('./managed-process.ts'), dataDir);
  const gateway = await startChildServer(module, { file: bundle.file }, { isQuiet: true, env });
  return { ...started(keys, gateway, LEASED_PROJECT), table, stop: stopAll(gateway, table) };
};

/** What strips types stays in the memory of its process, 18 MB of it, and no function has it there. */
async function plainJavaScript(module: string, folder: string): Promise<string> {
  const source = fileURLToPath(module);
  const outfile = join(folder, `${basename(source, '.ts')}.mjs`);
  await build({
    entryPoints: [source],
    outfile,
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'esm',
  });
  return pathToFileURL(outfile).href;
}
