/** Values as people read them: times of their own zone, money with its sign, changes with a mark. */

import { humanPath } from '../core/governance/tree.ts';
import { formatUsd, nanoUsd } from '../core/money.ts';
import { CliError } from './cli-error.ts';
import { plain } from './table.ts';

/** `2026-11-21 05:16 CET`; a dash for what has not happened. */
export function localTime(at: number | string | null | undefined): string {
  if (at === null || at === undefined) return '-';
  const pieces = new Intl.DateTimeFormat('en-GB', {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'short',
  }).formatToParts(new Date(at));
  const piece = (type: Intl.DateTimeFormatPartTypes) =>
    pieces.find((each) => each.type === type)?.value ?? '';
  const day = `${piece('year')}-${piece('month')}-${piece('day')}`;
  return `${day} ${piece('hour')}:${piece('minute')} ${piece('timeZoneName')}`;
}

/** Whole cents, because columns of money are compared; the exact amount is in the JSON. */
export function money(amountNanoUsd: number): string {
  const cents = Math.round(amountNanoUsd / 10_000_000);
  if (cents === 0 && amountNanoUsd !== 0) return `$${formatUsd(nanoUsd(amountNanoUsd))}`;
  const text = (Math.abs(cents) / 100).toFixed(2).replace(/\B(?=(\d{3})+(?=\.))/g, ',');
  return `${cents < 0 ? '-' : ''}$${text}`;
}

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `8h` from now, or a moment with its zone. Throws CliError. */
export function readMoment(text: string, nowMs: number): number {
  const [, count, unit] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  if (count !== undefined && unit !== undefined)
    return nowMs + Number(count) * (UNIT_MS[unit] ?? 0);
  const isMoment = /^\d{4}-\d\d-\d\dT\d\d:\d\d.*(Z|[+-]\d\d:\d\d)$/.test(text);
  const atMs = isMoment ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(atMs))
    throw new CliError(
      `"${text}" is no moment. Write 8h, 30m or 2d from now, or 2026-12-24T06:00:00+01:00.`,
    );
  return atMs;
}

export interface ShownChange {
  readonly kind: 'add' | 'change' | 'remove';
  readonly path: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

export interface Paint {
  readonly green: (text: string) => string;
  readonly red: (text: string) => string;
  readonly yellow: (text: string) => string;
}

/** `+` `~` `-` and how many of each there are. What comes or goes whole is told in as many lines as it needs. */
export function changeLines(changes: readonly ShownChange[], paint: Paint): string {
  const shown = changes.flatMap(inParts);
  const count = (kind: ShownChange['kind']) => shown.filter((each) => each.kind === kind).length;
  const sum = `${count('add')} to add, ${count('change')} to change, ${count('remove')} to remove.`;
  return [...shown.map((change) => changeLine(change, paint)), '', sum].join('\n');
}

/** Until each part fits its line: a plan that hides a limit is no plan. */
function inParts(change: ShownChange): readonly ShownChange[] {
  const { kind, path, before, after } = change;
  const value = kind === 'add' ? after : before;
  const isWhole = kind === 'change' || flow(value).length <= MAX_INLINE;
  if (isWhole || typeof value !== 'object' || value === null || Array.isArray(value))
    return [change];
  return Object.entries(value).flatMap(([name, inner]) =>
    inParts({
      kind,
      path: `${path}.${humanPath([name])}`,
      ...(kind === 'add' ? { after: inner } : { before: inner }),
    }),
  );
}

function changeLine({ kind, path, before, after }: ShownChange, paint: Paint): string {
  const place = plain(path);
  switch (kind) {
    case 'add':
      return paint.green(`+ ${place}  ${plain(flow(after))}`);
    case 'remove':
      return paint.red(`- ${place}  ${plain(flow(before))}`);
    case 'change':
      return paint.yellow(`~ ${place}  ${plain(flow(before))} -> ${plain(flow(after))}`);
  }
}

const MAX_INLINE = 110;

/** As the file would have it in braces; cut where somebody reads a table and not a plan. */
export function inline(value: unknown): string {
  const text = plain(flow(value));
  return text.length <= MAX_INLINE ? text : `${text.slice(0, MAX_INLINE)}...`;
}

function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const pairs = Object.entries(value).map(([name, inner]) => `${name}: ${flow(inner)}`);
  return `{ ${pairs.join(', ')} }`;
}
