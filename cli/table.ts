/** Tables for people: aligned by what is seen, without colour of their own, safe to print whatever names contain. */

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Numbers and money end where their column ends. */
  readonly align?: 'right';
}

const GAP = '  ';

/** Lines without a newline at the end. Nothing to show is one sentence and not an empty table. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  nothing: string,
): string {
  if (rows.length === 0) return nothing;
  const lines = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ cell }) => plain(cell(row)))),
  ];
  const widths = columns.map((_, index) =>
    Math.max(...lines.map((line) => widthOf(line[index] ?? ''))),
  );
  return lines
    .map((line) =>
      line
        .map((text, index) => padded(text, widths[index] ?? 0, columns[index]?.align))
        .join(GAP)
        .trimEnd(),
    )
    .join('\n');
}

/** Of one object: a name and its value in each line. */
export function fields(pairs: readonly (readonly [string, string | undefined])[]): string {
  const shown = pairs.flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
  const width = Math.max(0, ...shown.map(({ name }) => name.length));
  return shown.map(({ name, value }) => `${name.padEnd(width)}  ${plain(value)}`).join('\n');
}

/** A name that somebody else chose must not move the cursor or recolour the terminal of who reads it. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '\ufffd');
}

function padded(text: string, width: number, align: 'right' | undefined): string {
  const space = ' '.repeat(width - widthOf(text));
  return align === 'right' ? space + text : text + space;
}

/** In terminal cells: signs of East Asian scripts and emoji take two, marks that combine take none. */
function widthOf(text: string): number {
  return [...text].reduce((width, sign) => width + cellsOf(sign), 0);
}

const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uff01-\uff60]/u;

function cellsOf(sign: string): number {
  if (/\p{Mn}/u.test(sign)) return 0;
  return WIDE.test(sign) ? 2 : 1;
}
