/**
 * V8 looks through young objects, and moves what a full collection found alive, with threads that spin while they wait for one another.
 * What survives of a call is little, so that they take twice the CPU of one thread and save no time; and a small function pays for
 * theirs out of its own share (ADR 0039, 0043).
 */
export function collectOnOneThread(): void {
  // Not imported: the module is wanted late, and takes longer to load than most.
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  setFlagsFromString('--no-parallel-scavenge');
  setFlagsFromString('--no-parallel-compaction');
  setFlagsFromString('--no-parallel-pointer-update');
}
