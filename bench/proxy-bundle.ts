import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as z from 'zod';
import { synthesize } from '../local/synth.ts';
import { readAssembly } from '../local/templates.ts';

/** The proxy function as it is deployed. */
export interface ProxyBundle {
  readonly codeDir: string;
  readonly file: string;
  /** All that is shipped, and the part of it that is loaded before the policy is read. */
  readonly bytes: number;
  readonly eagerBytes: number;
  readonly eagerGzipBytes: number;
  /** What the function finds in its environment. */
  readonly env: Readonly<Record<string, string>>;
}

const FUNCTION = 'AWS::Lambda::Function';
const SERVICE = 'proxy';

const functionSchema = z.object({
  Code: z.object({ S3Key: z.string() }),
  Handler: z.string(),
  Environment: z.object({ Variables: z.record(z.string(), z.string()) }),
});

/** Synthesizes the dev stage, unless it is kept from before, and finds the function in its templates. */
export async function proxyBundle(synthCacheDir: string): Promise<ProxyBundle> {
  const folder = await synthesize({
    projectDir: join(import.meta.dirname, '..'),
    stage: 'dev',
    cacheDir: synthCacheDir,
    log: (line) => void process.stderr.write(`${line}\n`),
  });
  const assembly = readAssembly(folder, {
    queueUrl: (name) => name,
    isIgnored: (type) => type !== FUNCTION,
  });
  for (const { properties } of assembly.resources) {
    const described = functionSchema.safeParse(properties);
    if (!described.success) continue;
    const { Code, Handler, Environment } = described.data;
    const env = Environment.Variables;
    if (env['POWERTOOLS_SERVICE_NAME'] !== SERVICE) continue;
    const codeDir = assembly.assetDir(Code.S3Key);
    const file = join(codeDir, Handler.replace(/\.\w+$/, '.mjs'));
    const all = readdirSync(codeDir).filter((name) => name.endsWith('.mjs'));
    const eager = eagerFiles(codeDir, basename(file)).map((name) => join(codeDir, name));
    return {
      codeDir,
      file,
      bytes: sum(all.map((name) => statSync(join(codeDir, name)).size)),
      eagerBytes: sum(eager.map((name) => statSync(name).size)),
      eagerGzipBytes: sum(eager.map((name) => gzipSync(readFileSync(name)).length)),
      env,
    };
  }
  throw new Error('the templates hold no proxy function');
}

/** The module and what it imports, not what it may `import()`. */
function eagerFiles(folder: string, entry: string): readonly string[] {
  const found = new Set([entry]);
  for (const name of found) {
    const code = readFileSync(join(folder, name), 'utf8');
    for (const [, imported = ''] of code.matchAll(/\b(?:from|import)"\.\/([\w.-]+\.mjs)"/g))
      found.add(imported);
  }
  return [...found];
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all + size, 0);
}
