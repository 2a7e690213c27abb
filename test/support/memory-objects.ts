/** A bucket in memory. */
import type { Objects } from '../../lambdas/adapters/objects.ts';

export interface MemoryObjects extends Objects {
  readonly contents: Map<string, string | Uint8Array>;
  text(key: string): string;
}

export function createMemoryObjects(): MemoryObjects {
  const contents = new Map<string, string | Uint8Array>();
  const text = (key: string) => {
    const body = contents.get(key);
    if (body === undefined)
      throw new Error(`no object ${key} in ${[...contents.keys()].join(' ')}`);
    return Buffer.from(body).toString('utf8');
  };
  return {
    contents,
    text,
    put: async (key, { body }) => void contents.set(key, body),
    async putIfAbsent(key, body) {
      if (contents.has(key)) return false;
      contents.set(key, body);
      return true;
    },
    read: async (key) => (contents.has(key) ? text(key) : undefined),
    address: (key) => `s3://lake/${key}`,
    consoleUrl: async (key) => `https://console.example/${key}`,
  };
}
