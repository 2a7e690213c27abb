/**
 * The CPU that a function of a memory size has on Lambda, as a quota of Linux's scheduler. Needs a control group that may
 * be written to (root, cgroup v1 or v2): without one nothing is measured.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A function has one core at this size, and less in proportion. */
const MB_OF_A_CORE = 1_769;
/** In each period a process runs for its share of it and then waits. */
const PERIOD_US = 20_000;

export interface CpuShare {
  /** Until it is released, these processes together have no more. */
  hold(pids: readonly number[], memoryMb: number): void;
  release(pids: readonly number[]): void;
  remove(): void;
}

/** Undefined where this process may not make a control group. */
export function createCpuShare(): CpuShare | undefined {
  const parent = groupOfSelf();
  if (parent === undefined) return undefined;
  const group = join(parent, `tollgate-bench-${process.pid}`);
  try {
    mkdirSync(group);
    limit(group, MB_OF_A_CORE);
  } catch {
    if (existsSync(group)) rmdirSync(group);
    return undefined;
  }
  return {
    hold(pids, memoryMb) {
      limit(group, memoryMb);
      move(pids, group);
    },
    release: (pids) => move(pids, parent),
    remove: () => rmdirSync(group),
  };
}

function limit(group: string, memoryMb: number): void {
  const quotaUs = Math.round((PERIOD_US * memoryMb) / MB_OF_A_CORE);
  const max = join(group, 'cpu.max');
  if (existsSync(max)) {
    writeFileSync(max, `${quotaUs} ${PERIOD_US}`);
    return;
  }
  writeFileSync(join(group, 'cpu.cfs_period_us'), String(PERIOD_US));
  writeFileSync(join(group, 'cpu.cfs_quota_us'), String(quotaUs));
}

function move(pids: readonly number[], group: string): void {
  for (const pid of pids) writeFileSync(join(group, 'cgroup.procs'), String(pid));
}

/** Where this process is, in the hierarchy that rules the CPU. */
function groupOfSelf(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const mounts = linesOf('/proc/mounts').map((line) => line.split(' '));
  const groups = linesOf('/proc/self/cgroup').map((line) => line.split(':'));
  const own = (controllers: string) =>
    groups.find(([, names = '']) => names.split(',').includes(controllers))?.[2];
  const first = mounts.find(
    ([, , type, options = '']) => type === 'cgroup' && options.split(',').includes('cpu'),
  );
  if (first?.[1] !== undefined) return join(first[1], own('cpu') ?? '/');
  const second = mounts.find(([, , type]) => type === 'cgroup2');
  return second?.[1] === undefined ? undefined : join(second[1], own('') ?? '/');
}

function linesOf(file: string): readonly string[] {
  return readFileSync(file, 'utf8').split('\n').filter(Boolean);
}
