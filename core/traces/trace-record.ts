/**
 * The record of one call in the trace store: its usage event, and where the tenant's policy says so its prompt and
 * its answer, redacted and bounded. Where the policy says nothing there is none. It decides what is kept and
 * under which name; whether that works or not changes nothing of the call.
 */
import { createHash } from 'node:crypto';
import type { TraceStore } from '../catalog/snapshot.ts';
import { compositeKey } from '../ids.ts';
import type { UsageEvent } from '../usage/event.ts';
import { createRedact, type Redact } from './redact.ts';
import { spokenText } from './spoken-text.ts';

export interface KeptCall {
  readonly event: UsageEvent;
  /** As the caller sent it. */
  readonly request: Uint8Array;
  /** As the caller got it, or its beginning. */
  readonly answer: KeptAnswer;
}

export interface KeptAnswer {
  readonly bytes: Uint8Array;
  readonly isStream: boolean;
  /** More was sent than is here. */
  readonly isCut: boolean;
}

export interface TraceObject {
  readonly key: string;
  readonly body: string;
}

export const TRACE_PREFIX = { hot: 'hot/', cold: 'cold/' } as const;

/** Characters of prompt and of answer that a record holds. */
export const MAX_TEXT = 500_000;
/** No number, address or token that begins before the cut is longer. */
const CUT_MARGIN = 600;

/** One object, or two where the call is in the sample that is kept for longer. */
export function traceObjects(store: TraceStore, call: KeptCall): TraceObject[] {
  const body = JSON.stringify(recordOf(store, call));
  const { tenant_id: tenantId, request_id: requestId } = call.event;
  const folders = isCold(requestId, store.coldPercent)
    ? [TRACE_PREFIX.hot, TRACE_PREFIX.cold]
    : [TRACE_PREFIX.hot];
  return folders.map((folder) => ({ key: traceKey(folder, tenantId, requestId), body }));
}

/** A tenant has one folder in each class: what is below it is all that is kept of the tenant. */
export function traceKey(
  folder: (typeof TRACE_PREFIX)[keyof typeof TRACE_PREFIX],
  tenantId: string,
  requestId: string,
): string {
  return `${folder}${compositeKey(tenantId, requestId)}.json`;
}

/** By the request's id alone, so that everybody who asks gets the same answer. */
export function isCold(requestId: string, percent: number): boolean {
  const hash = createHash('sha256').update(requestId).digest();
  return hash.readUInt32BE(0) % 10_000 < percent * 100;
}

function recordOf(store: TraceStore, { event, request, answer }: KeptCall): object {
  // What a provider sends as usage may hold anything, and is in the ledger.
  const told = { ...event, usage_raw: null };
  const facts = { mode: store.mode, request_bytes: request.byteLength, event: told };
  if (store.mode === 'metadata') return facts;
  const redact = createRedact(store.redact);
  const prompt = keep(parsed(textOf(request)), redact);
  const said = keep(answerOf(answer), redact);
  return {
    ...facts,
    request: prompt.value,
    answer: said.value,
    is_truncated: prompt.isCut || said.isCut || answer.isCut,
  };
}

function answerOf({ bytes, isStream }: KeptAnswer): unknown {
  return isStream ? spokenText(textOf(bytes)) : parsed(textOf(bytes));
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}

/** What is no JSON, or was cut, is one text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const MAX_DEPTH = 32;
/** Characters that a value without text takes. */
const MIN_COST = 4;

/** The value with every text in it redacted, as much of it as there is room for. */
function keep(value: unknown, redact: Redact): { value: unknown; isCut: boolean } {
  let room = MAX_TEXT;
  let isCut = false;

  function take(text: string): string {
    const short = withoutData(text);
    const fits = short.length <= room;
    isCut ||= !fits;
    const kept = fits ? redact(short) : cutRedacted(short.slice(0, room + CUT_MARGIN), redact);
    room = Math.max(0, room - short.length);
    return kept;
  }

  function walk(inner: unknown, depth: number): unknown {
    if (typeof inner === 'string') return take(inner);
    if (typeof inner === 'number') return numberOf(inner);
    room = Math.max(0, room - MIN_COST);
    if (typeof inner !== 'object' || inner === null) return inner;
    if (depth > MAX_DEPTH) {
      isCut = true;
      return null;
    }
    if (Array.isArray(inner)) return inner.flatMap((item) => withRoom(() => walk(item, depth + 1)));
    const entries = Object.entries(inner).flatMap(([name, each]) =>
      withRoom((): [string, unknown] => [take(name), walk(each, depth + 1)]),
    );
    return Object.fromEntries(entries);
  }

  /** What there is no room for leaves nothing behind. */
  function withRoom<T>(keepOne: () => T): T[] {
    isCut ||= room === 0;
    return room === 0 ? [] : [keepOne()];
  }

  /** A card's number needs no quotes. */
  function numberOf(number: number): number | string {
    const text = String(number);
    const kept = take(text);
    return kept === text ? number : kept;
  }

  return { value: walk(value, 0), isCut };
}

/** What stands at the very end may be the beginning of something whose shape is not to be seen any more. */
function cutRedacted(text: string, redact: Redact): string {
  return redact(text).slice(0, -CUT_MARGIN);
}

const DATA_ADDRESS = /^data:[\w/+.-]{0,100}(?:;[\w=.-]{1,100}){0,5},/;
const LONG_BASE64 = /^[A-Za-z0-9+/_-]{2000,}={0,2}$/;

/** Pictures, sounds and files are named by their size: they cannot be redacted. */
function withoutData(text: string): string {
  return DATA_ADDRESS.test(text) || LONG_BASE64.test(text)
    ? `[data of ${text.length} characters]`
    : text;
}
