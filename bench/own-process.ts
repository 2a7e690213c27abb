import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type * as z from 'zod';

const TIMEOUT_MS = 300_000;

/** What a script of this folder prints with `--json`: its CPU and its memory are then its own. */
export async function inOwnProcess<T>(
  script: string,
  schema: z.ZodType<T>,
  args: readonly string[] = [],
): Promise<T> {
  const file = fileURLToPath(import.meta.resolve(`./${script}`));
  const options = { timeout: TIMEOUT_MS };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [file, '--json', ...args],
    options,
  );
  return schema.parse(JSON.parse(stdout));
}
