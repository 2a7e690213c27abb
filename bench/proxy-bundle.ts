import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as z from 'zod';
import { synthesize } from '../local/synth.ts';
import { readAssembly } from '../local/templates.ts';

/** The proxy function as it is deployed. */
export interface ProxyBundle {
  readonly codeDir: string;
  readonly file: string;
  readonly bytes: number;
  readonly gzipBytes: number;
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
    const code = readFileSync(file);
    return { codeDir, file, bytes: code.length, gzipBytes: gzipSync(code).length, env };
  }
  throw new Error('the templates hold no proxy function');
}
