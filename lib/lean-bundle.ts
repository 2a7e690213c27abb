/**
 * The code of a function for whose start callers wait (ADR 0035): one file of what asks for the policy, one of what is loaded
 * while that is on its way, and one for each thing that only some calls need. NodejsFunction always makes a single file.
 */
import { join } from 'node:path';
import { buildSync, type Metafile } from 'esbuild';
import { projectRoot } from './project-root.ts';

/** Writes `index.mjs`, what it imports, and their source maps into the folder. */
export function bundleLean(service: string, outdir: string): Metafile {
  const folder = join(projectRoot, 'lambdas', service);
  const { metafile } = buildSync({
    absWorkingDir: projectRoot,
    entryPoints: [{ in: join(folder, 'handler.ts'), out: 'index' }],
    outdir,
    outExtension: { '.js': '.mjs' },
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    // esbuild makes a file for each set of files that need the same, which were twenty for the start alone. What every file
    // needs stays in one. Not the handler, which nothing that it waits for could import.
    inject: [join(folder, 'ask-for-policy.ts')],
    alias: builtins(),
    platform: 'node',
    target: 'node24',
    format: 'esm',
    mainFields: ['module', 'main'],
    minify: true,
    sourcemap: true,
    sourcesContent: false,
    metafile: true,
    logLevel: 'warning',
  });
  return metafile;
}

/** An ES import of a module of Node reads every export to fill a namespace, and some load much that nobody needs. */
function builtins(): Record<string, string> {
  const folder = join(projectRoot, 'lambdas/adapters/builtins');
  return Object.fromEntries(
    ['crypto', 'stream', 'stream/promises', 'timers/promises', 'util', 'zlib'].map((name) => {
      return [`node:${name}`, join(folder, `${name.replace('/', '-')}.ts`)];
    }),
  );
}
