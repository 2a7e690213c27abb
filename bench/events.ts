/**
 * `npm run bench:events`: CPU of one event of a stream on its way through the process, by the pair of
 * dialects. Every event arrives by itself, which is the dearest way.
 */

import { messagesCall } from '../core/dialects/anthropic/messages-call.ts';
import type { AnswerStream, Call, Target } from '../core/dialects/call.ts';
import { openExchange } from '../core/dialects/exchange.ts';
import { chatCall } from '../core/dialects/openai/chat-call.ts';
import { quantile } from './statistics.ts';

const EVENTS = 4_000;
const ROUNDS = 25;
const WARM_UP_ROUNDS = 10;

/** Microseconds of CPU for an event; issue and figures are in docs/performance.md. */
const GOALS = { passed: 30, translated: 60 } as const;

interface Pair {
  readonly name: string;
  readonly kind: keyof typeof GOALS;
  readonly events: readonly Buffer[];
  open(): AnswerStream;
}

const REQUEST = { model: 'alias', stream: true, messages: [{ role: 'user', content: 'Hi' }] };
const TARGET: Target = {
  dialect: 'openai-chat',
  model: 'gpt-5.1',
  maxOutputTokens: 100_000,
  extra: {},
};
const CONTEXT = { requestId: 'req_1', model: 'alias', createdAtSeconds: 1_790_000_000 };

async function main(): Promise<void> {
  const all = await pairs();
  const missed = all
    .map((pair) => ({ pair, micros: microsPerEvent(pair) }))
    .filter(({ pair, micros }) => {
      console.log(`${pair.name.padEnd(44)} ${micros.toFixed(1)} µs (goal: ${GOALS[pair.kind]})`);
      return micros > GOALS[pair.kind];
    });
  process.exitCode = missed.length === 0 ? 0 : 1;
}

/** To measure another dialect, give its call here, or its provider's events. */
async function pairs(): Promise<Pair[]> {
  const chat = (extra: object = {}) =>
    chatCall(Buffer.from(JSON.stringify({ ...REQUEST, ...extra })));
  const events = chatEvents();
  const messages = messagesCall(Buffer.from(JSON.stringify({ ...REQUEST, max_tokens: 9 })), {});
  const pair = async (name: string, kind: Pair['kind'], call: Call): Promise<Pair> => ({
    name,
    kind,
    events,
    open: await opened(call, TARGET),
  });
  return Promise.all([
    pair('chat, usage passed on', 'passed', chat({ stream_options: { include_usage: true } })),
    pair('chat, usage hidden', 'passed', chat()),
    pair('chat to messages', 'translated', messages),
    {
      name: 'messages to chat',
      kind: 'translated',
      events: messagesEvents(),
      open: await opened(chat(), { ...TARGET, dialect: 'anthropic-messages' }),
    },
    {
      name: 'messages',
      kind: 'passed',
      events: messagesEvents(),
      open: await opened(messages, { ...TARGET, dialect: 'anthropic-messages' }),
    },
    // The words of the answer go through the neutral events and come out as chat again.
    pair('chat to events to chat', 'translated', { ...chat(), dialect: 'anthropic-messages' }),
  ]);
}

/** Streams of one exchange: what a call pays once is not measured. */
async function opened(call: Call, target: Target): Promise<Pair['open']> {
  const exchange = await openExchange(call, target, CONTEXT);
  return () => exchange.stream();
}

/** As OpenAI sends them: some 300 bytes for one token. */
function chatEvents(): Buffer[] {
  const chunk = (delta: object, finish: string | null = null) => ({
    id: 'chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT',
    object: 'chat.completion.chunk',
    created: CONTEXT.createdAtSeconds,
    model: 'gpt-5.1-2026-10-01',
    service_tier: 'default',
    system_fingerprint: 'fp_560af6e559',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    usage: null,
    obfuscation: 'Xa81k',
  });
  const said = Array.from({ length: EVENTS }, (_, index) => chunk({ content: ` word${index}` }));
  const usage = { prompt_tokens: 9, completion_tokens: EVENTS, total_tokens: EVENTS + 9 };
  return [
    chunk({ role: 'assistant' }),
    ...said,
    chunk({}, 'stop'),
    { choices: [], usage },
    '[DONE]',
  ].map((event) =>
    Buffer.from(`data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`),
  );
}

function messagesEvents(): Buffer[] {
  const event = (data: { type: string; [name: string]: unknown }) =>
    Buffer.from(`event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`);
  const usage = { input_tokens: 9, output_tokens: 1 };
  return [
    event({
      type: 'message_start',
      message: {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        content: [],
        model: 'm',
        stop_reason: null,
        stop_sequence: null,
        usage,
      },
    }),
    event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    ...Array.from({ length: EVENTS }, (_, index) =>
      event({
        type: 'content_block_delta',
        index: 0,
        delta: { type: 'text_delta', text: ` word${index}` },
      }),
    ),
    event({ type: 'content_block_stop', index: 0 }),
    event({
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: EVENTS },
    }),
    event({ type: 'message_stop' }),
  ];
}

function microsPerEvent(pair: Pair): number {
  for (let round = 0; round < WARM_UP_ROUNDS; round += 1) relayOnce(pair);
  return quantile(
    Array.from({ length: ROUNDS }, () => relayOnce(pair)),
    0.5,
  );
}

function relayOnce({ events, open }: Pair): number {
  const stream = open();
  const before = process.cpuUsage();
  for (const event of events) stream.push(event);
  const { user, system } = process.cpuUsage(before);
  if (!stream.isComplete()) throw new Error('the stream was not relayed to its end');
  return (user + system) / events.length;
}

await main();
