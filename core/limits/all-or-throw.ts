/** Waits for all, whatever happens to one; a fault in any is thrown at the end. */
export async function allOrThrow(writes: readonly Promise<unknown>[]): Promise<void> {
  throwFirst(await Promise.allSettled(writes));
}

export function throwFirst(results: readonly PromiseSettledResult<unknown>[]): void {
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
