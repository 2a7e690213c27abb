/** Bedrock's Converse: the answer as one JSON document, or as messages of an AWS event stream with usage behind the stop. */
import { type Answer, type Block, type End, tokensOf } from '../answer.ts';
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
import { readConverse } from './converse-question.ts';
import { eventStreamMessage } from './event-stream.ts';

export const converse: Dialect = {
  name: 'bedrock-converse',
  idPrefix: '',
  cachesAlone: false,
  error: bedrockError,
  read: (body, { model = '', stream = false }) => {
    const read = readConverse(body, model);
    if (read.kind === 'invalid') return read;
    const shows = read.question.thinks;
    return { ...read, stream, open: (answer, call) => converseWire(answer, call, shows) };
  },
};

const STOP: Readonly<Record<End, string>> = {
  stop: 'end_turn',
  'stop-sequence': 'stop_sequence',
  length: 'max_tokens',
  'tool-calls': 'tool_use',
  refusal: 'content_filtered',
};

const EXCEPTIONS: Readonly<Record<number, string>> = {
  400: 'ValidationException',
  401: 'UnrecognizedClientException',
  403: 'AccessDeniedException',
  404: 'ResourceNotFoundException',
  408: 'ModelTimeoutException',
  413: 'ValidationException',
  424: 'ModelErrorException',
  429: 'ThrottlingException',
  500: 'InternalServerException',
  503: 'ServiceUnavailableException',
};

function bedrockError(status: number, { message }: WireError): ErrorAnswer {
  const kind = EXCEPTIONS[status] ?? 'InternalServerException';
  return {
    headers: { 'x-amzn-errortype': `${kind}:http://internal.amazon.com/coral/com.amazon.bedrock/` },
    body: JSON.stringify({ message }),
  };
}

function converseWire(answer: Answer, call: Call, shows: boolean): Wire {
  const half = frame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'x' } });
  return {
    contentType: 'application/vnd.amazon.eventstream',
    whole: () => jsonText(whole(answer, call, shows)),
    stream: {
      events: () => events(answer, call, shows),
      failure: [
        eventStreamMessage(
          {
            ':message-type': 'exception',
            ':exception-type': 'modelStreamErrorException',
            ':content-type': 'application/json',
          },
          Buffer.from(JSON.stringify({ message: 'The engine died.', originalStatusCode: 500 })),
        ),
      ],
      // The last checksum does not hold.
      halfAnEvent: Buffer.concat([half.subarray(0, -4), Buffer.alloc(4)]),
      invalidUtf8: eventStreamMessage(
        headersOf('contentBlockDelta'),
        Buffer.concat([
          Buffer.from('{"contentBlockIndex":0,"delta":{"text":"'),
          Buffer.from([0xc3, 0x28, 0xff]),
          Buffer.from('"}}'),
        ]),
      ),
    },
  };
}

function whole(answer: Answer, call: Call, shows: boolean) {
  const [choice] = answer.choices;
  const blocks = choice === undefined ? [] : shownBlocks(choice, call, shows);
  return {
    output: { message: { role: 'assistant', content: blocks.map((block) => block.whole) } },
    stopReason: STOP[choice?.end ?? 'stop'],
    usage: toldUsage(usage(answer, tokensOf(answer)), call.behaviour.fault),
    metrics: { latencyMs: 1 },
  };
}

function* events(answer: Answer, call: Call, shows: boolean): Generator<WireEvent> {
  const [choice] = answer.choices;
  const { fault, chunks } = call.behaviour;
  if (choice === undefined) return;
  yield plain('messageStart', { role: 'assistant' }, ['begin']);
  let unheard = shows ? 0 : choice.thinking.length;
  let told = 0;
  for (const [contentBlockIndex, block] of shownBlocks(choice, call, shows).entries()) {
    if (block.start !== undefined) {
      yield plain('contentBlockStart', { contentBlockIndex, start: block.start });
    }
    for (const said of grouped(block.pieces, chunks)) {
      const tokens = said.length + unheard;
      unheard = 0;
      told += tokens;
      const body = { contentBlockIndex, delta: block.delta(said.join('')) };
      yield { ...plain('contentBlockDelta', body, ['content']), tokens };
      if (fault === 'usage-each') yield plain('metadata', metadata(usage(answer, told)));
    }
    for (const delta of block.closing)
      yield plain('contentBlockDelta', { contentBlockIndex, delta });
    yield plain('contentBlockStop', { contentBlockIndex });
  }
  yield { ...plain('messageStop', { stopReason: STOP[choice.end] }, ['finish']), tokens: unheard };
  const final = toldUsage(usage(answer, tokensOf(answer)), fault);
  yield plain('metadata', metadata(final), ['usage', 'done']);
}

function metadata(told: unknown) {
  return { usage: told, metrics: { latencyMs: 1 } };
}

function plain(kind: string, body: object, is: WireEvent['is'] = []): WireEvent {
  return { is, tokens: 0, bytes: frame(kind, body) };
}

const PADDING = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Every payload is padded to an uneven length, so that lengths tell nobody what is said. */
function frame(kind: string, body: object): Buffer {
  const text = jsonText(body);
  const padded = jsonText({ ...body, p: PADDING.slice(0, 4 + (text.length % 29)) });
  return eventStreamMessage(headersOf(kind), Buffer.from(padded));
}

function headersOf(kind: string) {
  return { ':event-type': kind, ':content-type': 'application/json', ':message-type': 'event' };
}

interface ShownBlock {
  /** Only blocks of tools are announced. */
  readonly start: object | undefined;
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
  const text = pieces.join('');
  const signature = signatureOf(text);
  return {
    start: undefined,
    whole: { reasoningContent: { reasoningText: { text, signature } } },
    pieces,
    delta: (said) => ({ reasoningContent: { text: said } }),
    closing: [{ reasoningContent: { signature } }],
  };
}

function shownBlock(block: Block, { id }: Call, index: number): ShownBlock {
  const { pieces } = block;
  if (block.kind !== 'tool-call') {
    const text = pieces.join('');
    return {
      start: undefined,
      whole: { text },
      pieces,
      delta: (said) => ({ text: said }),
      closing: [],
    };
  }
  const tool = { toolUseId: `tooluse_${id.slice(-20)}${index}`, name: block.name };
  return {
    start: { toolUse: tool },
    whole: { toolUse: { ...tool, input: inputOf(pieces) } },
    pieces,
    delta: (input) => ({ toolUse: { input } }),
    closing: [],
  };
}

function inputOf(pieces: readonly string[]): unknown {
  try {
    return JSON.parse(pieces.join(''));
  } catch {
    return {};
  }
}

/** Input excludes what the cache read and wrote. */
function usage({ promptTokens, cachedTokens, cacheWrites }: Answer, outputTokens: number) {
  const written = cacheWrites['5m'] + cacheWrites['1h'];
  const details = [
    { ttl: '1h', inputTokens: cacheWrites['1h'] },
    { ttl: '5m', inputTokens: cacheWrites['5m'] },
  ].filter(({ inputTokens }) => inputTokens > 0);
  return {
    inputTokens: Math.max(0, promptTokens - cachedTokens - written),
    outputTokens,
    totalTokens: promptTokens + outputTokens,
    cacheReadInputTokens: cachedTokens,
    cacheWriteInputTokens: written,
    cacheDetails: details,
  };
}
