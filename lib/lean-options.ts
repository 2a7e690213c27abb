import type { StageConfig } from './stage-config.ts';

/** Megabytes for what is young. With V8's own choice a process full of streams is a third larger, and no faster (ADR 0029). */
const YOUNG = '--max-semi-space-size=16';
/**
 * Megabytes for what is old. On managed instances each vCPU has a worker with a heap of its own and 2 GB at least, and V8 gives each worker
 * half of all memory: together more than there is. It also collects less often the higher this is, fourfold from 2,048 on (ADR 0043).
 */
const OLD_OF_A_WORKER = '--max-old-space-size=1024';

/** Options of Node for a function that callers wait for. */
export function leanOptions(kind: StageConfig['compute']['kind']): string {
  return kind === 'managed-instances' ? `${YOUNG} ${OLD_OF_A_WORKER}` : YOUNG;
}
