/**
 * Server-sent events from bytes: whole events whatever way the bytes are split. Works on bytes and
 * decodes only complete events, so no split character can become U+FFFD.
 * Format: WHATWG HTML, section "Server-sent events".
 */
import { GatewayError } from '../errors.ts';

export interface SseEvent {
  /** The event's bytes with its closing blank line, as received. */
  readonly raw: Buffer;
  /** Its `data:` lines joined by a newline; undefined for a comment-only block. */
  readonly data: string | undefined;
}

export interface SseParser {
  /** The events that these bytes complete. */
  push(chunk: Uint8Array): SseEvent[];
  /** True when bytes of an unfinished event are left. */
  hasRest(): boolean;
}

/** Larger than any event a provider sends (an image of a model's answer in base64 is the largest). */
const MAX_EVENT_BYTES = 8_000_000;
const LF = 10;
const CR = 13;
const BOM = '\uFEFF';

export function createSseParser(): SseParser {
  let pending = Buffer.alloc(0);
  /** Where the search for the next end of line goes on. */
  let scanned = 0;
  /** Start of the line being read. */
  let lineStart = 0;

  return {
    push(chunk) {
      pending = pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([pending, chunk]);
      const events: SseEvent[] = [];
      let eventStart = 0;
      for (let end = pending.indexOf(LF, scanned); end !== -1; end = pending.indexOf(LF, end + 1)) {
        const isBlank = end === lineStart || (end === lineStart + 1 && pending[lineStart] === CR);
        lineStart = end + 1;
        if (!isBlank) continue;
        events.push(toEvent(pending.subarray(eventStart, end + 1)));
        eventStart = end + 1;
      }
      pending = pending.subarray(eventStart);
      scanned = pending.length;
      lineStart -= eventStart;
      if (pending.length > MAX_EVENT_BYTES) {
        throw new GatewayError('upstream_error', 'The provider sent an event larger than 8 MB.');
      }
      return events;
    },
    hasRest: () => pending.length > 0,
  };
}

function toEvent(raw: Buffer): SseEvent {
  const data: string[] = [];
  for (const line of raw.toString('utf8').split('\n')) {
    const text = line.replace(/\r$/, '').replace(BOM, '');
    if (text.startsWith('data:')) data.push(text.slice(text[5] === ' ' ? 6 : 5));
  }
  return { raw, data: data.length === 0 ? undefined : data.join('\n') };
}
