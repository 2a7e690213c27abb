/** Attributes of items in the table, read without the core's parser. */
import * as z from 'zod/mini';
import type { StoredItem } from '../../core/limits/account-write.ts';
import { DIMENSIONS, type Dimension } from '../../core/limits/dimensions.ts';
import { localTime } from './true-money.ts';

export function numberAt(item: StoredItem, name: string): number {
  const value = item[name];
  return typeof value === 'number' ? value : 0;
}

export function entriesOf(item: StoredItem, name: string): Readonly<Record<string, unknown>> {
  const value = item[name];
  return isEntries(value) ? value : {};
}

function isEntries(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** The limit of the item that is in force at the moment: the first open window's, or the one that holds always, and what is added to it. */
export function limitInForce(
  item: StoredItem,
  dimension: Dimension,
  atMs: number,
): number | undefined {
  const limits = entriesOf(item, 'l');
  const { code } = DIMENSIONS[dimension];
  const open = schedulesOf(limits).find((schedule) => isOpen(schedule, atMs));
  const always = limits[code];
  const limit = open?.[4][code] ?? (typeof always === 'number' ? always : undefined);
  const raise = raisesOf(limits).find((each) => isRaised(each, atMs));
  return limit === undefined ? undefined : limit + (raise?.[3][code] ?? 0);
}

/** True where any limit of a day is kept, now, in a window or softly. */
export function countsDays(item: StoredItem): boolean {
  return /"[ut]D"/.test(JSON.stringify(item['l']).replaceAll('\\', ''));
}

/** True where a raise is in force. */
export function isRaisedNow(item: StoredItem, atMs: number): boolean {
  return raisesOf(entriesOf(item, 'l')).some((each) => isRaised(each, atMs));
}

/** When raises of the item begin and end. */
export function raiseEdges(item: StoredItem): readonly number[] {
  const all = raisesOf(entriesOf(item, 'l'));
  return [...all.map(([fromMs]) => fromMs), ...all.map(([, untilMs]) => untilMs)];
}

/** All limits of an item by code, those of windows and raises by their place and code, and the soft ones. */
export function allLimits(item: StoredItem): Map<string, number> {
  const limits = entriesOf(item, 'l');
  const all = new Map<string, number>();
  for (const [code, limit] of Object.entries(limits))
    if (typeof limit === 'number') all.set(code, limit);
  for (const [index, [, , , , within]] of schedulesOf(limits).entries())
    for (const [code, limit] of Object.entries(within)) all.set(`${index} ${code}`, limit);
  for (const [index, [, , , raised]] of raisesOf(limits).entries())
    for (const [code, limit] of Object.entries(raised)) all.set(`raise ${index} ${code}`, limit);
  for (const [code, limit] of Object.entries(softLimits(item))) all.set(`soft ${code}`, limit);
  return all;
}

export function softLimits(item: StoredItem): Readonly<Record<string, number>> {
  const text = entriesOf(item, 'l')['sl'];
  return typeof text === 'string' ? read(softTexts, text, (json) => codes.parse(json)) : {};
}

const codes = z.record(z.string(), z.number());
const windows = z.array(z.tuple([z.string(), z.number(), z.number(), z.string(), codes]));
type Window = z.infer<typeof windows>[number];

const raises = z.array(z.tuple([z.number(), z.number(), z.number(), codes]));
type Raise = z.infer<typeof raises>[number];

const raiseTexts = new Map<string, Raise[]>();
const scheduleTexts = new Map<string, Window[]>();
const softTexts = new Map<string, Record<string, number>>();

function schedulesOf(limits: Readonly<Record<string, unknown>>): readonly Window[] {
  const text = limits['sc'];
  return typeof text === 'string' ? read(scheduleTexts, text, (json) => windows.parse(json)) : [];
}

function raisesOf(limits: Readonly<Record<string, unknown>>): readonly Raise[] {
  const text = limits['ra'];
  return typeof text === 'string' ? read(raiseTexts, text, (json) => raises.parse(json)) : [];
}

/** From one instant to before another, where windows follow the clock on the wall. */
function isRaised([fromMs, untilMs]: Raise, atMs: number): boolean {
  return fromMs <= atMs && atMs < untilMs;
}

/** The same texts are read at every write. */
function read<T>(known: Map<string, T>, text: string, parse: (json: unknown) => T): T {
  const before = known.get(text);
  if (before !== undefined) return before;
  const fresh = parse(JSON.parse(text));
  if (known.size > MAX_KNOWN) known.clear();
  known.set(text, fresh);
  return fresh;
}

const MAX_KNOWN = 1_000;

/** A window that ends before it begins belongs to the day on which it begins. */
function isOpen([days, from, to, timeZone]: Window, atMs: number): boolean {
  const { weekday, minute } = localTime(atMs, timeZone);
  const began = from < to || minute >= from ? weekday : ((weekday + 5) % 7) + 1;
  const isWithin = from < to ? minute >= from && minute < to : minute >= from || minute < to;
  return isWithin && days.includes(String(began));
}
