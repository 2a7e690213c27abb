/** What a running instance leaves in its data folder: a lock against a second one, and where to find it. */
import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

const stateSchema = z.object({
  pid: z.number(),
  baseUrl: z.string(),
  adminKey: z.string(),
  demoKey: z.string(),
  dataDir: z.string(),
  providerUrl: z.string(),
  awsUrl: z.string(),
  dynamoUrl: z.string(),
  workGroup: z.string(),
  region: z.string(),
});
export type InstanceState = z.infer<typeof stateSchema>;

/** Throws when another process holds the folder. Returns what releases it. */
export function lockDataFolder(dataDir: string): () => void {
  mkdirSync(dataDir, { recursive: true });
  const file = join(dataDir, 'lock');
  const own = `${file}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    const holder = readHolder(file);
    if (holder !== undefined && isAlive(holder)) {
      throw new Error(
        `${dataDir} is in use by the process ${holder}; stop it, or choose another folder with --data`,
      );
    }
    if (holder !== undefined) rmSync(file, { force: true });
    // A link appears whole or not at all, and only one of two racing processes gets it.
    linkSync(own, file);
  } catch (error) {
    if (!isAlreadyThere(error)) throw error;
    throw new Error(`${dataDir} is in use by another process that has just started`);
  } finally {
    rmSync(own, { force: true });
  }
  return () => {
    if (readHolder(file) === process.pid) rmSync(file, { force: true });
  };
}

export function writeState(state: InstanceState): void {
  const file = stateFile(state.dataDir);
  const temporary = `${file}.tmp`;
  // It holds keys: nobody else on the machine reads it.
  closeSync(openSync(temporary, 'w', 0o600));
  writeFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`);
  renameSync(temporary, file);
}

/** Undefined when no instance runs on the folder. */
export function readState(dataDir: string): InstanceState | undefined {
  const holder = readHolder(join(dataDir, 'lock'));
  if (holder === undefined || !isAlive(holder)) return undefined;
  try {
    const state = stateSchema.parse(JSON.parse(readFileSync(stateFile(dataDir), 'utf8')));
    return state.pid === holder ? state : undefined;
  } catch {
    // Not written yet, or by an older version.
    return undefined;
  }
}

function stateFile(dataDir: string): string {
  return join(dataDir, 'instance.json');
}

function readHolder(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process is alive too.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function isAlreadyThere(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST';
}
