/**
 * The spans of one call: who did what, from when to when, under whom. Collected in memory while the call
 * runs and exported behind its last byte. It never does I/O, holds no prompt, answer or key, and a span
 * that is one too many is left out rather than kept: no call can make a trace without a bound.
 */
import type { Clock, EpochMs } from '../clock.ts';
import { parseTraceparent } from '../usage/trace-id.ts';

export type SpanKind = 'server' | 'client' | 'internal';

/** Undefined values are left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  readonly name: string;
  readonly kind: SpanKind;
  readonly startMs: EpochMs;
  readonly endMs: EpochMs;
  readonly attributes: SpanAttributes;
  /** What went wrong, as `error.type`; undefined where nothing did. */
  readonly error: string | undefined;
}

export interface OpenSpan {
  /** For whoever continues the trace below this span. */
  readonly traceparent: string;
  set(attributes: SpanAttributes): void;
  /** Again changes nothing. */
  end(error?: string): void;
}

export interface Trace {
  readonly traceId: string;
  /** By the trace id alone, so that every service that asks it the same way keeps the same traces. */
  readonly isSampled: boolean;
  /** The first span is the root; the others lie directly under it. */
  begin(name: string, kind: SpanKind, attributes?: SpanAttributes): OpenSpan;
  /** All spans so far. Those that are still open end now, as `unfinished`. */
  finish(): readonly Span[];
}

/** Lower-case hexadecimal text of so many bytes, not all zero. */
export type RandomHex = (bytes: number) => string;

export interface TraceStart {
  readonly clock: Clock;
  readonly randomHex: RandomHex;
  /** The header as the caller sent it. */
  readonly traceparent: string | undefined;
  /** Share of the traces that are kept, from 0 to 1. */
  readonly sampleRate: number;
  /** Of the root. */
  readonly startMs: EpochMs;
}

/** A call makes six spans and one more for each attempt. */
const MAX_SPANS = 64;

export function startTrace(start: TraceStart): Trace {
  const { clock, randomHex, sampleRate } = start;
  const caller = parseTraceparent(start.traceparent);
  const traceId = caller?.traceId ?? randomHex(16);
  const isSampled = isInSample(traceId, sampleRate);
  const open: { readonly spanId: string; end(error?: string): void; read(): Span }[] = [];

  function begin(name: string, kind: SpanKind, attributes: SpanAttributes = {}): OpenSpan {
    const root = open[0];
    const spanId = randomHex(8);
    const startMs = root === undefined ? start.startMs : clock.nowMs();
    let all = attributes;
    let ended: { readonly atMs: EpochMs; readonly error: string | undefined } | undefined;
    const end = (error?: string) => {
      ended ??= { atMs: clock.nowMs(), error };
    };
    const read = (): Span => ({
      traceId,
      spanId,
      parentId: root === undefined ? caller?.spanId : root.spanId,
      name,
      kind,
      startMs,
      endMs: Math.max(startMs, ended?.atMs ?? startMs),
      attributes: all,
      error: ended?.error,
    });
    if (open.length < MAX_SPANS) open.push({ spanId, end, read });
    return {
      traceparent: `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`,
      set: (more) => {
        all = { ...all, ...more };
      },
      end,
    };
  }

  return {
    traceId,
    isSampled,
    begin,
    finish() {
      for (const span of open) span.end('unfinished');
      return open.map((span) => span.read());
    },
  };
}

/** The last 56 bits of a trace id are random (W3C Trace Context, level 2). Fifty-two of them fit a number exactly. */
const RANDOM_DIGITS = 13;

export function isInSample(traceId: string, rate: number): boolean {
  return Number.parseInt(traceId.slice(-RANDOM_DIGITS), 16) < rate * 16 ** RANDOM_DIGITS;
}
