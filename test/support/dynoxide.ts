import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The DynamoDB engine's binary from the optional dependency; undefined on platforms that have none. */
export function dynoxideBinary(): string | undefined {
  try {
    const folder = dirname(
      createRequire(import.meta.url).resolve('@dynoxide/linux-x64/package.json'),
    );
    const binary = [join(folder, 'bin', 'dynoxide'), join(folder, 'dynoxide')].find(existsSync);
    return binary;
  } catch {
    return undefined;
  }
}
