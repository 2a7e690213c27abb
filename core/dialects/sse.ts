/**
 * Server-sent events from bytes: the same whole events whatever way the bytes are split. Looks for ends
 * of lines in bytes and decodes only what is asked for later, the values of `data` and `event`, and only
 * when they are whole, so no split character can become U+FFFD.
 * Format: WHATWG HTML, section "Server-sent events".
 */
import { GatewayError } from '../errors.ts';
import { createPendingBytes } from './pending-bytes.ts';

export interface SseEvent {
  /** The event's bytes with its closing blank line, as received; without a byte order mark. */
  readonly raw: Buffer;
  /** Its `data:` lines joined by a newline; undefined for a comment-only block. */
  readonly data: string | undefined;
  /** The value of its `event:` line; undefined where it has none. */
  readonly name: string | undefined;
}

export interface SseParser {
  /** The events that these bytes complete. Throws GatewayError when one grows beyond the bound. */
  push(chunk: Uint8Array): SseEvent[];
  /**
   * The event that the end of the stream left without its blank line, closed with one. A cut one is not
   * mistaken for a whole one: no proper prefix of a JSON object is JSON.
   */
  finish(): SseEvent | undefined;
}

/** Larger than any event a provider sends (an image of a model's answer in base64 is the largest). */
export const MAX_EVENT_BYTES = 8_000_000;
const LF = 10;
const CR = 13;
const COLON = 58;
const SPACE = 32;
const T = 116;
const BOM = Buffer.from('\uFEFF');
const BLANK_LINE = Buffer.from('\n\n');
/** The first four letters of the two fields that are read, as one number. */
const DATA = Buffer.from('data').readUInt32BE();
const EVEN = Buffer.from('even').readUInt32BE();

export function createSseParser(): SseParser {
  const pending = createPendingBytes();
  let mayBeginWithBom = true;
  /** Offsets from the start of the event being read: where its next end of line is looked for, and its line. */
  let scanned = 0;
  let lineStart = 0;
  let fields: Field[] = [];

  function push(chunk: Uint8Array): SseEvent[] {
    let bytes = pending.append(chunk);
    if (mayBeginWithBom) {
      const begun = bytes.subarray(0, BOM.length);
      mayBeginWithBom = begun.length < BOM.length && begun.equals(BOM.subarray(0, begun.length));
      if (mayBeginWithBom) return [];
      if (begun.equals(BOM)) {
        pending.drop(BOM.length);
        bytes = bytes.subarray(BOM.length);
      }
    }
    return eventsOf(bytes);
  }

  function eventsOf(bytes: Buffer): SseEvent[] {
    const events: SseEvent[] = [];
    let start = 0;
    let lf = indexOf(bytes, LF, scanned);
    let cr = indexOf(bytes, CR, scanned);
    while (lf < bytes.length || cr < bytes.length) {
      const end = Math.min(lf, cr);
      // A carriage return that comes last may be half of a line's end.
      if (end === cr && cr + 1 === bytes.length) break;
      const next = end + (end === cr && bytes[end + 1] === LF ? 2 : 1);
      if (end > start + lineStart) {
        note(fieldAt(bytes, start + lineStart, end), start);
      } else {
        checkSize(next - start);
        events.push(toEvent(bytes.subarray(start, next), fields));
        fields = [];
        start = next;
      }
      lineStart = next - start;
      if (lf < next) lf = indexOf(bytes, LF, next);
      if (cr < next) cr = indexOf(bytes, CR, next);
    }
    scanned = Math.min(lf, cr) - start;
    checkSize(bytes.length - start);
    pending.drop(start);
    return events;
  }

  function note(field: Field | undefined, start: number): void {
    if (field !== undefined)
      fields.push({ name: field.name, from: field.from - start, to: field.to - start });
  }

  return {
    push,
    finish: () => (pending.isEmpty() ? undefined : push(BLANK_LINE)[0]),
  };
}

/** Where the value of a field lies. */
interface Field {
  readonly name: 'data' | 'event';
  readonly from: number;
  readonly to: number;
}

/** The field of a line, if it is one that is read; a line without a colon is a name without a value. */
function fieldAt(bytes: Buffer, start: number, end: number): Field | undefined {
  const name = nameAt(bytes, start, end);
  if (name === undefined) return undefined;
  const colon = start + name.length;
  if (colon === end) return { name, from: end, to: end };
  if (bytes[colon] !== COLON) return undefined;
  const hasSpace = colon + 1 < end && bytes[colon + 1] === SPACE;
  return { name, from: colon + (hasSpace ? 2 : 1), to: end };
}

function nameAt(bytes: Buffer, start: number, end: number): Field['name'] | undefined {
  if (end - start < 4) return undefined;
  const letters = bytes.readUInt32BE(start);
  if (letters === DATA) return 'data';
  return letters === EVEN && end - start > 4 && bytes[start + 4] === T ? 'event' : undefined;
}

function toEvent(raw: Buffer, fields: readonly Field[]): SseEvent {
  let data: string | undefined;
  let name: string | undefined;
  for (const field of fields) {
    const value = raw.toString('utf8', field.from, field.to);
    if (field.name === 'event') name = value === '' ? undefined : value;
    else data = data === undefined ? value : `${data}\n${value}`;
  }
  return { raw, data, name };
}

/** The length where there is none, so that the nearer of two is their minimum. */
function indexOf(bytes: Buffer, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at === -1 ? bytes.length : at;
}

function checkSize(eventBytes: number): void {
  if (eventBytes <= MAX_EVENT_BYTES) return;
  throw new GatewayError(
    'upstream_error',
    `The provider sent an event larger than ${MAX_EVENT_BYTES} bytes.`,
  );
}
