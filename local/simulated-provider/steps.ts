/**
 * What the provider does on the socket, step by step, for a call that it answers at all: the healthy
 * answer, or the healthy answer spoiled by one fault. Pure; answer-writer.ts performs the steps.
 */
import { type Answer, tokensOf } from './answer.ts';
import type { Behaviour, Fault } from './behaviour.ts';
import type { StreamWire, Wire, WireEvent } from './wire.ts';

export type Step =
  | {
      readonly kind: 'send';
      readonly bytes: string | Buffer;
      /** Output tokens generated for these bytes. */
      readonly tokens: number;
      /** These bytes tell the usage, all of it and truly. */
      readonly reportsUsage?: boolean;
    }
  /** The connection dies (TCP reset). */
  | { readonly kind: 'reset' }
  /** Nothing more is sent and the connection stays open. */
  | { readonly kind: 'stall' };

const LIES: readonly (Fault | undefined)[] = [
  'no-usage',
  'usage-negative',
  'usage-string',
  'usage-nan',
];

export function stepsOf(
  wire: Wire,
  answer: Answer,
  { behaviour, stream }: { readonly behaviour: Behaviour; readonly stream: boolean },
): Iterable<Step> {
  const tokens = tokensOf(answer);
  return stream && wire.stream !== undefined
    ? streamSteps(wire.stream, tokens, behaviour.fault)
    : bodySteps(wire.whole(), tokens, behaviour.fault);
}

function* bodySteps(text: string, tokens: number, fault: Fault | undefined): Generator<Step> {
  const half = text.slice(0, Math.floor(text.length / 2));
  switch (fault) {
    case 'reset-mid':
    case 'stall-mid':
      yield send(half, tokens);
      yield { kind: fault === 'reset-mid' ? 'reset' : 'stall' };
      return;
    case 'truncate':
      return yield send(half, tokens);
    case 'garbage-json':
      return yield send(`}${text}`, tokens);
    case 'bad-utf8':
      return yield send(Buffer.from(`\u00c3(${text}`, 'latin1'), tokens);
    default:
      yield { ...send(text, tokens), reportsUsage: !LIES.includes(fault) };
  }
}

function* streamSteps(
  stream: StreamWire,
  contents: number,
  fault: Fault | undefined,
): Generator<Step> {
  let tokens = 0;
  let spoiled = false;
  let skipping = false;
  const late: WireEvent[] = [];
  for (const event of stream.events()) {
    if (skipping && !event.is.includes('done')) continue;
    if (fault === 'usage-late' && isOnly(event, 'usage')) late.push(event);
    else yield* eventSteps(event, fault);
    tokens += event.tokens;
    if (spoiled || !event.is.includes('content') || tokens < contents / 2) continue;
    spoiled = true;
    const then = yield* midSteps(event, stream, fault);
    if (then === 'ended') return;
    skipping = then === 'done';
  }
  for (const event of late) yield* eventSteps(event, fault);
}

function* eventSteps(event: WireEvent, fault: Fault | undefined): Generator<Step> {
  const tellsUsage = event.is.includes('usage');
  if (fault === 'no-usage' && isOnly(event, 'usage')) return;
  const twice =
    (fault === 'usage-twice' && tellsUsage) ||
    (fault === 'two-finishes' && event.is.includes('finish'));
  if (twice) yield send(event.bytes);
  yield {
    ...send(event.bytes, event.tokens),
    reportsUsage: tellsUsage && !LIES.includes(fault),
  };
}

function isOnly({ is }: WireEvent, kind: WireEvent['is'][number]): boolean {
  return is.length === 1 && is.includes(kind);
}

/** What goes wrong once half of the answer is out. `done`: the rest is skipped but for the closing event. */
function* midSteps(
  event: WireEvent,
  stream: StreamWire,
  fault: Fault | undefined,
): Generator<Step, 'ended' | 'on' | 'done'> {
  switch (fault) {
    case 'reset-mid':
    case 'stall-mid':
      yield { kind: fault === 'reset-mid' ? 'reset' : 'stall' };
      return 'ended';
    case 'truncate':
      return 'ended';
    case 'done-early':
      return 'done';
    case 'error-chunk':
      for (const bytes of stream.failure) yield send(bytes);
      return 'ended';
    case 'infinite':
      while (true) yield send(event.bytes, 1);
    case 'garbage-json':
      yield send(stream.halfAnEvent);
      return 'on';
    case 'bad-utf8':
      yield send(stream.invalidUtf8);
      return 'on';
    case 'start-twice':
    case 'splice':
      for (const again of stream.events()) {
        if (fault === 'splice' || again.is.includes('begin')) yield send(again.bytes);
      }
      return 'on';
    default:
      return 'on';
  }
}

function send(bytes: string | Buffer, tokens = 0) {
  return { kind: 'send' as const, bytes, tokens };
}
