import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import * as z from 'zod';
import { projectRoot } from '../../lib/project-root.ts';

const trinoModule = z.object({
  TrinoSQL: z.custom<new () => { validate(sql: string): readonly unknown[] }>(
    (value) => typeof value === 'function',
  ),
});

/** Gives what Trino's grammar has against a statement. The parser's own ES modules do not load in Node, so it is bundled first. */
export async function loadTrino(): Promise<(sql: string) => readonly unknown[]> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-trino-'));
  const outfile = join(folder, 'trino.cjs');
  const contents = "export { TrinoSQL } from 'dt-sql-parser'";
  await build({
    stdin: { contents, resolveDir: projectRoot },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
  });
  const { TrinoSQL } = trinoModule.parse(createRequire(import.meta.url)(outfile));
  rmSync(folder, { recursive: true });
  return (sql) => new TrinoSQL().validate(sql);
}
