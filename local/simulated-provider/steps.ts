/**
 * What the provider does on the socket, step by step, for a call that it answers at all: the healthy
 * answer, or the healthy answer spoiled by one fault. Pure; answer-writer.ts performs the steps.
 */
import type { Answer } from './answer.ts';
import type { Behaviour, Fault } from './behaviour.ts';
import {
  type Call,
  completionBody,
  errorBody,
  type StreamChunk,
  streamChunks,
  tokensOf,
  usage,
} from './wire.ts';

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

const DONE = 'data: [DONE]\n\n';
const HALF_AN_EVENT = 'data: {"id":"chatcmpl-broken","object":"chat.compl\n\n';
const INVALID_UTF8 = Buffer.concat([
  Buffer.from('data: {"choices":[{"index":0,"delta":{"content":"'),
  Buffer.from([0xc3, 0x28, 0xff]),
  Buffer.from('"},"finish_reason":null}]}\n\n'),
]);
const WRONG_USAGE = {
  'usage-negative': { prompt_tokens: -5, completion_tokens: -7, total_tokens: -12 },
  'usage-string': { prompt_tokens: 'many', completion_tokens: 'few', total_tokens: 'some' },
} as const;

export function stepsOf(call: Call, answer: Answer, behaviour: Behaviour): Iterable<Step> {
  return call.stream
    ? streamSteps(call, answer, behaviour)
    : bodySteps(call, answer, behaviour.fault);
}

function* bodySteps(call: Call, answer: Answer, fault: Fault | undefined): Generator<Step> {
  const text = JSON.stringify(brokenUsage(completionBody(call, answer), fault));
  const tokens = tokensOf(answer);
  const half = Math.floor(text.length / 2);
  switch (fault) {
    case 'reset-mid':
    case 'stall-mid':
      yield { kind: 'send', bytes: text.slice(0, half), tokens };
      yield { kind: fault === 'reset-mid' ? 'reset' : 'stall' };
      return;
    case 'truncate':
      yield { kind: 'send', bytes: text.slice(0, half), tokens };
      return;
    case 'garbage-json':
      yield { kind: 'send', bytes: `}${text}`, tokens };
      return;
    case 'bad-utf8':
      yield { kind: 'send', bytes: Buffer.from(`\u00c3(${text}`, 'latin1'), tokens };
      return;
    default:
      yield { kind: 'send', bytes: text, tokens, reportsUsage: tellsTruth(fault) };
  }
}

function* streamSteps(call: Call, answer: Answer, { fault, chunks }: Behaviour): Generator<Step> {
  const contents = answer.choices.length === 0 ? 0 : tokensOf(answer);
  let tokens = 0;
  let spoiled = false;
  for (const chunk of streamChunks(call, answer, chunks)) {
    yield* eventSteps(chunk, answer, { fault, tokensBefore: tokens });
    tokens += chunk.tokens;
    if (spoiled || chunk.label !== 'content' || tokens < contents / 2) continue;
    spoiled = true;
    const end = yield* midSteps(fault, chunk);
    if (end === 'ended') return;
  }
  yield send(DONE);
}

/** What goes wrong once half of the answer is out. */
function* midSteps(fault: Fault | undefined, chunk: StreamChunk): Generator<Step, 'ended' | 'on'> {
  switch (fault) {
    case 'reset-mid':
    case 'stall-mid':
      yield { kind: fault === 'reset-mid' ? 'reset' : 'stall' };
      return 'ended';
    case 'truncate':
      return 'ended';
    case 'done-early':
      yield send(DONE);
      return 'ended';
    case 'error-chunk':
      yield send(`data: ${errorBody({ message: 'The engine died.', type: 'server_error' })}\n\n`);
      yield send(DONE);
      return 'ended';
    case 'infinite':
      while (true) yield send(event(chunk.body), 1);
    case 'garbage-json':
      yield send(HALF_AN_EVENT);
      return 'on';
    case 'bad-utf8':
      yield send(INVALID_UTF8);
      return 'on';
    default:
      return 'on';
  }
}

function* eventSteps(
  { label, body, tokens }: StreamChunk,
  answer: Answer,
  { fault, tokensBefore }: { fault: Fault | undefined; tokensBefore: number },
): Generator<Step> {
  if (label === 'usage') {
    if (fault === 'no-usage') return;
    const bytes = event(brokenUsage(body, fault));
    if (fault === 'usage-twice') yield send(bytes);
    yield { kind: 'send', bytes, tokens, reportsUsage: tellsTruth(fault) };
    return;
  }
  if (fault === 'two-finishes' && label === 'finish') yield send(event(body));
  if (fault !== 'usage-each') return yield send(event(body), tokens);
  const { promptTokens, cachedTokens } = answer;
  const soFar = usage(promptTokens, cachedTokens, tokensBefore + tokens, 0);
  yield send(event({ ...body, usage: soFar }), tokens);
}

function brokenUsage(body: object, fault: Fault | undefined): object {
  switch (fault) {
    case 'no-usage':
      return { ...body, usage: undefined };
    case 'usage-negative':
    case 'usage-string':
      return { ...body, usage: WRONG_USAGE[fault] };
    default:
      return body;
  }
}

function tellsTruth(fault: Fault | undefined): boolean {
  return fault !== 'no-usage' && fault !== 'usage-negative' && fault !== 'usage-string';
}

function send(bytes: string | Buffer, tokens = 0): Step {
  return { kind: 'send', bytes, tokens };
}

function event(body: object): string {
  return `data: ${JSON.stringify(body)}\n\n`;
}
