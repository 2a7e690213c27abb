/** CPU time and memory of processes, from Linux's /proc; unknown on other systems. */
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';

/** CPU milliseconds that each process has used since its start, all threads. Undefined without /proc. */
export function cpuMsOf(pids: readonly number[]): number | undefined {
  if (!HAS_PROC) return undefined;
  return sum(pids.map((pid) => sum(threadsOf(pid).map((thread) => onCpuMs(pid, thread)))));
}

/** Largest resident memory, since its start or since it was forgotten, of the largest of the processes, megabytes (10^6 bytes). */
export function peakRssMb(pids: readonly number[]): number | undefined {
  if (!HAS_PROC) return undefined;
  const peaks = pids.map((pid) => {
    const status = readText(`/proc/${pid}/status`);
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
  });
  return (Math.max(0, ...peaks) * 1024) / 1e6;
}

/** The peak counts from now on, where the system lets us say so. */
export function forgetPeakRss(pids: readonly number[]): void {
  for (const pid of pids) orGone(() => writeFileSync(`/proc/${pid}/clear_refs`, '5'), undefined);
}

/** The process's children, their children and so on. Empty without /proc. */
export function descendantsOf(pid: number): readonly number[] {
  if (!HAS_PROC) return [];
  const children = threadsOf(pid).flatMap((thread) =>
    readText(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
  );
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}

export function workingFolderOf(pid: number): string | undefined {
  return orGone(() => readlinkSync(`/proc/${pid}/cwd`), undefined);
}

const HAS_PROC = process.platform === 'linux';

function threadsOf(pid: number): readonly string[] {
  return orGone(() => readdirSync(`/proc/${pid}/task`), []);
}

/** The scheduler's own account: nanoseconds, where /proc/<pid>/stat counts in hundredths of a second. */
function onCpuMs(pid: number, thread: string): number {
  return Number(readText(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0]) / 1e6;
}

function readText(file: string): string {
  return orGone(() => readFileSync(file, 'utf8'), '');
}

/** A process may end between two looks at it. */
function orGone<T>(read: () => T, gone: T): T {
  try {
    return read();
  } catch {
    return gone;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
