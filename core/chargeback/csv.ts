/** Tables as CSV (RFC 4180) that spreadsheets open without running anything in them. */

type Cell = string | bigint;

export function toCsv(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [header, ...rows].map((row) => `${row.map(cellText).join(',')}\r\n`).join('');
}

/** Callers choose tags: a text that a spreadsheet would take for a formula gets an apostrophe before it. */
function cellText(cell: Cell): string {
  if (typeof cell === 'bigint') return String(cell);
  const isAmount = /^-?\d+(\.\d+)?$/.test(cell);
  const text = !isAmount && /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
