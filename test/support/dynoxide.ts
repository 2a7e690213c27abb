import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
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

/** What the engine takes from anybody. */
export const DYNOXIDE_CREDENTIALS = { accessKeyId: 'local', secretAccessKey: 'local' };

/** An engine of its own that keeps everything in memory. It may need a moment until it answers: clients try again. */
export async function startDynoxide(
  binary: string,
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const port = await freePort();
  const child = spawn(binary, ['--port', String(port)], { stdio: 'ignore' });
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
