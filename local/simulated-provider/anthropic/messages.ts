/** Anthropic's messages: blocks with an index, usage at the start and, cumulative, at the end. */
import { type Answer, type Block, type End, thinkingTokensOf, tokensOf } from '../answer.ts';
import {
  type Call,
  type Dialect,
  type ErrorAnswer,
  grouped,
  jsonText,
  signatureOf,
  toldUsage,
  type Wire,
  type WireError,
  type WireEvent,
} from '../wire.ts';
import { readCount, readMessages } from './messages-question.ts';

export const messages: Dialect = {
  name: 'anthropic-messages',
  idPrefix: 'msg_',
  cachesAlone: false,
  error: anthropicError,
  read: (body) => {
    const read = readMessages(body);
    if (read.kind === 'invalid') return read;
    const shows = read.question.thinks;
    return { ...read, open: (answer, call) => messagesWire(answer, call, shows) };
  },
};

/** Free of charge: nothing of it is in the ledger. */
export const countTokens: Dialect = {
  ...messages,
  name: 'anthropic-count-tokens',
  read: (body) => {
    const read = readCount(body);
    if (read.kind === 'invalid') return read;
    const { promptTokens } = read.question;
    const text = JSON.stringify({ input_tokens: promptTokens });
    return {
      ...read,
      question: { ...read.question, choices: 0, promptTokens: 0, cacheMarks: [] },
      open: () => ({ contentType: 'application/json', whole: () => text }),
    };
  },
};

const STOP: Readonly<Record<End, string>> = {
  stop: 'end_turn',
  'stop-sequence': 'stop_sequence',
  length: 'max_tokens',
  'tool-calls': 'tool_use',
  refusal: 'refusal',
};

const TYPE_OF_STATUS: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

function anthropicError(status: number, { message }: WireError): ErrorAnswer {
  const type = TYPE_OF_STATUS[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
  const error = { type, message };
  return { body: JSON.stringify({ type: 'error', error, request_id: 'req_simulated' }) };
}

function messagesWire(answer: Answer, call: Call, shows: boolean): Wire {
  const died = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
  return {
    contentType: 'text/event-stream; charset=utf-8',
    whole: () => jsonText(message(answer, call, shows)),
    stream: {
      events: () => events(answer, call, shows),
      failure: [event(died)],
      halfAnEvent: 'event: content_block_delta\ndata: {"type":"content_block_de\n\n',
      invalidUtf8: Buffer.concat([
        Buffer.from(
          'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"',
        ),
        Buffer.from([0xc3, 0x28, 0xff]),
        Buffer.from('"}}\n\n'),
      ]),
    },
  };
}

function message(answer: Answer, call: Call, shows: boolean) {
  const [choice] = answer.choices;
  const blocks = choice === undefined ? [] : shownBlocks(choice, call, shows);
  return {
    ...envelope(call),
    content: blocks.map(({ whole }) => whole),
    stop_reason: STOP[choice?.end ?? 'stop'],
    stop_sequence: choice?.stopSequence ?? null,
    usage: toldUsage(finalUsage(answer), call.behaviour.fault),
  };
}

function* events(answer: Answer, call: Call, shows: boolean): Generator<WireEvent> {
  const [choice] = answer.choices;
  const { fault, chunks } = call.behaviour;
  if (choice === undefined) return;
  const begun = toldUsage(usage(answer, 1), fault);
  const start = { ...envelope(call), content: [], stop_reason: null, stop_sequence: null };
  yield plain({ type: 'message_start', message: { ...start, usage: begun } }, ['begin']);
  let unheard = shows ? 0 : choice.thinking.length;
  let told = 0;
  for (const [index, block] of shownBlocks(choice, call, shows).entries()) {
    yield plain({ type: 'content_block_start', index, content_block: block.empty });
    if (index === 0) yield plain({ type: 'ping' });
    for (const said of grouped(block.pieces, chunks)) {
      const tokens = said.length + unheard;
      unheard = 0;
      told += tokens;
      const delta = block.delta(said.join(''));
      const bytes = event({ type: 'content_block_delta', index, delta });
      yield { is: ['content'], tokens, bytes };
      if (fault === 'usage-each') yield plain(messageDelta({ output_tokens: told }));
    }
    for (const delta of block.closing) yield plain({ type: 'content_block_delta', index, delta });
    yield plain({ type: 'content_block_stop', index });
  }
  const final = toldUsage(finalUsage(answer), fault);
  const stop = { stop_reason: STOP[choice.end], stop_sequence: choice.stopSequence ?? null };
  yield { ...plain(messageDelta(final, stop), ['finish', 'usage']), tokens: unheard };
  yield plain({ type: 'message_stop' }, ['done']);
}

function plain(
  body: { readonly type: string } & Record<string, unknown>,
  is: WireEvent['is'] = [],
): WireEvent {
  return { is, tokens: 0, bytes: event(body) };
}

function messageDelta(told: unknown, delta: object = { stop_reason: null, stop_sequence: null }) {
  return { type: 'message_delta', delta, usage: told };
}

interface ShownBlock {
  readonly empty: object;
  readonly whole: object;
  readonly pieces: readonly string[];
  delta(text: string): object;
  readonly closing: readonly object[];
}

function shownBlocks(
  { thinking, blocks }: Answer['choices'][number],
  call: Call,
  shows: boolean,
): readonly ShownBlock[] {
  const said = blocks.map((block, index) => shownBlock(block, call, index));
  return shows && thinking.length > 0 ? [thinkingBlock(thinking), ...said] : said;
}

function thinkingBlock(pieces: readonly string[]): ShownBlock {
  const thinking = pieces.join('');
  const signature = signatureOf(thinking);
  return {
    empty: { type: 'thinking', thinking: '', signature: '' },
    whole: { type: 'thinking', thinking, signature },
    pieces,
    delta: (text) => ({ type: 'thinking_delta', thinking: text }),
    closing: [{ type: 'signature_delta', signature }],
  };
}

function shownBlock(block: Block, { id }: Call, index: number): ShownBlock {
  const { pieces } = block;
  if (block.kind !== 'tool-call') {
    return {
      empty: { type: 'text', text: '', citations: null },
      whole: { type: 'text', text: pieces.join(''), citations: null },
      pieces,
      delta: (text) => ({ type: 'text_delta', text }),
      closing: [],
    };
  }
  const tool = { type: 'tool_use', id: `toolu_${id.slice(-20)}${index}`, name: block.name };
  return {
    empty: { ...tool, input: {} },
    whole: { ...tool, input: inputOf(pieces) },
    pieces,
    delta: (json) => ({ type: 'input_json_delta', partial_json: json }),
    closing: [],
  };
}

/** Cut off by max_tokens, the input is what could be read of it: nothing. */
function inputOf(pieces: readonly string[]): unknown {
  try {
    return JSON.parse(pieces.join(''));
  } catch {
    return {};
  }
}

function finalUsage(answer: Answer) {
  return {
    ...usage(answer, tokensOf(answer)),
    output_tokens_details: { thinking_tokens: thinkingTokensOf(answer) },
  };
}

function usage({ promptTokens, cachedTokens, cacheWrites }: Answer, outputTokens: number) {
  const written = cacheWrites['5m'] + cacheWrites['1h'];
  return {
    input_tokens: Math.max(0, promptTokens - cachedTokens - written),
    cache_creation_input_tokens: written,
    cache_read_input_tokens: cachedTokens,
    cache_creation: {
      ephemeral_5m_input_tokens: cacheWrites['5m'],
      ephemeral_1h_input_tokens: cacheWrites['1h'],
    },
    output_tokens: outputTokens,
    service_tier: 'standard',
  };
}

function envelope({ id, model }: Call) {
  return { id, type: 'message', role: 'assistant', model };
}

function event(body: { readonly type: string } & Record<string, unknown>): string {
  return `event: ${body.type}\ndata: ${jsonText(body)}\n\n`;
}
