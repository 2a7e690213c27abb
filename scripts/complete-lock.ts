/**
 * Adds to package-lock.json the platform packages that could not be resolved when it was written. Tools
 * list one optional package a platform; npm leaves out of the lock what it cannot fetch, and then refuses
 * `npm ci` everywhere because the lock is not whole. An entry that names its platform is enough: npm skips
 * it on every other one. Run after `npm install`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import * as z from 'zod';

const versions = z.record(z.string(), z.string());
const entrySchema = z.looseObject({
  dev: z.boolean().optional(),
  optionalDependencies: versions.optional(),
});
const lockSchema = z.looseObject({ packages: z.record(z.string(), entrySchema) });

const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const PROCESSORS = ['arm64', 'x64', 'arm', 'ia32', 'ppc64', 'riscv64', 's390x'];
const C_LIBRARIES: Readonly<Record<string, string>> = {
  musl: 'musl',
  gnu: 'glibc',
  musleabihf: 'musl',
  gnueabihf: 'glibc',
};

const FILE = 'package-lock.json';
const lock = lockSchema.parse(JSON.parse(readFileSync(FILE, 'utf8')));
const added: string[] = [];
for (const entry of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const place = `node_modules/${name}`;
    const isExact = /^\d/.test(version);
    const platform = platformOf(name);
    if (lock.packages[place] !== undefined || !isExact || platform === undefined) continue;
    lock.packages[place] = {
      version,
      optional: true,
      ...(entry.dev === true ? { dev: true } : {}),
      ...platform,
    };
    added.push(`${name}@${version}`);
  }
}
const packages = Object.fromEntries(
  Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1)),
);
writeFileSync(FILE, `${JSON.stringify({ ...lock, packages }, null, 2)}\n`);
process.stdout.write(`added ${added.length}: ${added.join(', ')}\n`);

/** os, cpu and libc as npm compares them, from a name such as `binding-linux-arm64-musl`. */
function platformOf(name: string): Record<string, string[]> | undefined {
  const words = name.split(/[-/]/);
  const os = words.find((word) => SYSTEMS.includes(word));
  const cpu = words.find((word) => PROCESSORS.includes(word));
  if (os === undefined || cpu === undefined) return undefined;
  const libc = words.map((word) => C_LIBRARIES[word]).find((library) => library !== undefined);
  return {
    os: [os],
    cpu: [cpu],
    ...(libc === undefined || os !== 'linux' ? {} : { libc: [libc] }),
  };
}
