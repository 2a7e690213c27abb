/** Bytes and write units of items as DynamoDB bills them (developer guide, "DynamoDB item sizes and formats"). */
type Item = Readonly<Record<string, unknown>>;

export function itemSize(item: Item, key: string): number {
  return Object.entries({ pk: key, ...item }).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + sizeOf(value),
    0,
  );
}

/** Of one write: the item before or after it, whichever is larger; a transaction costs twice as much. */
export function writeUnits(bytes: number, isTransaction: boolean): number {
  return Math.max(1, Math.ceil(bytes / 1_024)) * (isTransaction ? 2 : 1);
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value === 'number') {
    const digits = String(Math.abs(value)).replace(/0+$/, '').length;
    return Math.ceil(digits / 2) + 1 + (value < 0 ? 1 : 0);
  }
  const entries = Object.entries(value ?? {});
  return (
    3 + entries.reduce((sum, [name, each]) => sum + 1 + Buffer.byteLength(name) + sizeOf(each), 0)
  );
}
