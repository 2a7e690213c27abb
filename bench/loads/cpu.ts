import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMsOf } from '../process-usage.ts';
import type { Target } from '../targets/targets.ts';

/** Books are closed behind the last byte; their work belongs to the call. */
const BOOKS_MS = 200;

/** `cpuMs`: what the target's processes used meanwhile; undefined where it has none or the system does not tell. */
export async function withCpu<T>(
  target: Target,
  work: () => Promise<T>,
): Promise<{ result: T; cpuMs: number | undefined }> {
  const before = new Map(target.pids().map((pid) => [pid, cpuMsOf([pid])]));
  const result = await work();
  await sleep(BOOKS_MS);
  const pids = target.pids();
  const spent = cpuMsOf(pids);
  if (pids.length === 0 || spent === undefined) return { result, cpuMs: undefined };
  // Processes that started meanwhile count whole; those that ended drop out.
  const earlier = pids.reduce((sum, pid) => sum + (before.get(pid) ?? 0), 0);
  return { result, cpuMs: spent - earlier };
}

export function perCall(cpuMs: number | undefined, calls: number): number | undefined {
  return cpuMs === undefined ? undefined : cpuMs / calls;
}
