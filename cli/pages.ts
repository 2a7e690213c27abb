/** Lists of the admin API come in pages; a person and a script want all of it, up to a bound that is told. */

const MAX_PAGES = 200;

export async function allPages<T>(
  read: (
    after: string | undefined,
  ) => Promise<{ items: readonly T[]; next: string | null | undefined }>,
): Promise<T[]> {
  const all: T[] = [];
  let after: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { items, next } = await read(after);
    all.push(...items);
    if (next === null || next === undefined) return all;
    after = next;
  }
  throw new Error(`a list has more than ${MAX_PAGES} pages`);
}
