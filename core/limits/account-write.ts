/**
 * A conditional write as data. The core decides what must hold and what changes; the DynamoDB adapter
 * renders it as one UpdateItem, the in-memory twin evaluates it directly, and one contract suite holds
 * both to the same meaning.
 */

/** Attribute name, or a map attribute and a key inside it. */
export type Path = readonly [string] | readonly [string, string];

export type Condition =
  | { readonly kind: 'equals'; readonly path: Path; readonly value: string | number }
  /** The number is absent or not above the value. */
  | { readonly kind: 'at-most'; readonly path: Path; readonly value: number }
  | { readonly kind: 'absent'; readonly path: Path }
  | { readonly kind: 'present'; readonly path: Path }
  /** The map has fewer entries than the value. */
  | { readonly kind: 'fewer-than'; readonly path: Path; readonly value: number }
  /** At least one of the alternatives holds whole. */
  | { readonly kind: 'any'; readonly of: readonly (readonly Condition[])[] };

type AttributeValue =
  | string
  | number
  | readonly number[]
  | { readonly [key: string]: number | string };

export interface AccountWrite {
  readonly conditions: readonly Condition[];
  readonly set: readonly (readonly [Path, AttributeValue])[];
  /** Adds to a top-level number; an absent one counts from zero. */
  readonly add: readonly (readonly [string, number])[];
  readonly remove: readonly Path[];
  /** When nobody looks at the item, so that it need not come back, which is most of what an answer costs. */
  readonly itemUnread?: 'always' | 'if-applied';
}

export type StoredItem = Readonly<Record<string, unknown>>;

/**
 * The meaning of a conditional write: the new item, or undefined when a condition does not hold. An
 * item that does not exist meets no condition but `absent`.
 */
export function applyWrite(
  item: StoredItem | undefined,
  write: AccountWrite,
): StoredItem | undefined {
  if (!write.conditions.every((condition) => holds(item, condition))) return undefined;
  const next: Record<string, unknown> = { ...item };
  for (const [path, value] of write.set) setAt(next, path, value);
  for (const [name, amount] of write.add) next[name] = numberAt(item, [name], 0) + amount;
  for (const path of write.remove) removeAt(next, path);
  return next;
}

function holds(item: StoredItem | undefined, condition: Condition): boolean {
  switch (condition.kind) {
    case 'equals':
      return valueAt(item, condition.path) === condition.value;
    case 'at-most':
      return numberAt(item, condition.path, Number.NEGATIVE_INFINITY) <= condition.value;
    case 'absent':
      return valueAt(item, condition.path) === undefined;
    case 'present':
      return valueAt(item, condition.path) !== undefined;
    case 'fewer-than':
      return (
        entriesAt(item, condition.path[0]) !== undefined &&
        Object.keys(entriesAt(item, condition.path[0]) ?? {}).length < condition.value
      );
    case 'any':
      return condition.of.some((all) => all.every((each) => holds(item, each)));
  }
}

function valueAt(item: StoredItem | undefined, [name, key]: Path): unknown {
  return key === undefined ? item?.[name] : entriesAt(item, name)?.[key];
}

function numberAt(item: StoredItem | undefined, path: Path, absent: number): number {
  const value = valueAt(item, path);
  return typeof value === 'number' ? value : absent;
}

function entriesAt(
  item: StoredItem | undefined,
  name: string,
): Readonly<Record<string, unknown>> | undefined {
  const value = item?.[name];
  return isEntries(value) ? value : undefined;
}

function isEntries(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function setAt(item: Record<string, unknown>, [name, key]: Path, value: AttributeValue): void {
  item[name] = key === undefined ? value : { ...entriesAt(item, name), [key]: value };
}

function removeAt(item: Record<string, unknown>, [name, key]: Path): void {
  if (key === undefined) {
    delete item[name];
    return;
  }
  const entries = { ...entriesAt(item, name) };
  delete entries[key];
  item[name] = entries;
}
