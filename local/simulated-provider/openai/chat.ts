/**
 * OpenAI's chat completions, as api.openai.com answers them, with what vLLM and Azure do differently; values
 * that nobody reads are constant.
 */
import type { Answer, Block, Choice, End } from '../answer.ts';
import {
  type Call,
  type Dialect,
  grouped,
  jsonText,
  toldUsage,
  type Wire,
  type WireEvent,
} from '../wire.ts';
import { readChat } from './chat-request.ts';
import { ENGINE_DIED, errorText, openAiError } from './errors.ts';
import { chatUsage, chatUsageSoFar } from './usage.ts';

export const chat: Dialect = {
  name: 'openai-chat',
  idPrefix: 'chatcmpl-',
  cachesAlone: true,
  error: openAiError,
  read: (body, { flavour }) => {
    const read = readChat(body, flavour);
    if (read.kind === 'invalid') return read;
    const { includeUsage } = read;
    return { ...read, open: (answer, call) => chatWire(answer, call, includeUsage) };
  },
};

const SYSTEM_FINGERPRINT = 'fp_51m01a7ed0';
const SAFE = { filtered: false, severity: 'safe' };
const FILTERS = { hate: SAFE, self_harm: SAFE, sexual: SAFE, violence: SAFE };
const FINISH: Readonly<Record<End, string>> = {
  stop: 'stop',
  'stop-sequence': 'stop',
  length: 'length',
  'tool-calls': 'tool_calls',
  refusal: 'stop',
};

function chatWire(answer: Answer, call: Call, includeUsage: boolean): Wire {
  return {
    contentType: 'text/event-stream; charset=utf-8',
    whole: () => jsonText(completion(answer, call)),
    stream: {
      events: () => chunks(answer, call, includeUsage),
      failure: [`data: ${errorText(ENGINE_DIED)}\n\n`, DONE],
      halfAnEvent: 'data: {"id":"chatcmpl-broken","object":"chat.compl\n\n',
      invalidUtf8: Buffer.concat([
        Buffer.from('data: {"choices":[{"index":0,"delta":{"content":"'),
        Buffer.from([0xc3, 0x28, 0xff]),
        Buffer.from('"},"finish_reason":null}]}\n\n'),
      ]),
    },
  };
}

function completion(answer: Answer, call: Call) {
  const azure = call.flavour === 'azure-openai';
  return {
    ...envelope(call, 'chat.completion'),
    ...(azure ? { prompt_filter_results: promptFilters() } : {}),
    choices: answer.choices.map((choice, index) => ({
      index,
      message: message(choice, call, index),
      logprobs: null,
      finish_reason: FINISH[choice.end],
      ...(azure ? { content_filter_results: FILTERS } : {}),
    })),
    usage: toldUsage(chatUsage(answer), call.behaviour.fault),
  };
}

function message({ thinking, blocks }: Choice, call: Call, index: number) {
  const text = pieces(blocks, 'text');
  const refusal = pieces(blocks, 'refusal');
  const calls = blocks.flatMap((block) => (block.kind === 'tool-call' ? [block] : []));
  return {
    role: 'assistant',
    content: text.length === 0 && (calls.length > 0 || refusal.length > 0) ? null : text.join(''),
    refusal: refusal.length === 0 ? null : refusal.join(''),
    ...(call.flavour === 'vllm' && thinking.length > 0 ? { reasoning: thinking.join('') } : {}),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map((block, at) => toolCall(block, at)) }),
  };

  function toolCall(block: Extract<Block, { kind: 'tool-call' }>, at: number) {
    const called = { name: block.name, arguments: block.pieces.join('') };
    return { id: toolCallId(call, index, at), type: 'function', function: called };
  }
}

function pieces(blocks: readonly Block[], kind: Block['kind']): readonly string[] {
  return blocks.flatMap((block) => (block.kind === kind ? block.pieces : []));
}

const DONE = 'data: [DONE]\n\n';

function* chunks(answer: Answer, call: Call, includeUsage: boolean): Generator<WireEvent> {
  const { fault } = call.behaviour;
  const shared = envelope(call, 'chat.completion.chunk');
  let told = 0;
  const usageField = (): object => {
    if (!includeUsage) return {};
    if (fault !== 'usage-each') return call.flavour === 'vllm' ? {} : { usage: null };
    return { usage: chatUsageSoFar(answer, { tokens: told, thinking: 0 }) };
  };
  if (call.flavour === 'azure-openai') yield { is: [], tokens: 0, bytes: filterChunk() };
  for (const [index, choice] of answer.choices.entries()) {
    for (const { is, tokens, delta, finish = null } of deltas(choice, call, index)) {
      told += tokens;
      const choices = [{ index, delta, logprobs: null, finish_reason: finish, ...filtersOf(call) }];
      yield { is, tokens, bytes: event({ ...shared, choices, ...usageField() }) };
    }
  }
  if (includeUsage) {
    const usage = toldUsage(chatUsage(answer), fault);
    yield { is: ['usage'], tokens: 0, bytes: event({ ...shared, choices: [], usage }) };
  }
  yield { is: ['done'], tokens: 0, bytes: DONE };
}

interface Delta extends Pick<WireEvent, 'is' | 'tokens'> {
  readonly delta: object;
  readonly finish?: string;
}

/** Hidden thoughts are billed with the first thing that is heard of the answer. */
function* deltas({ thinking, blocks, end }: Choice, call: Call, index: number): Generator<Delta> {
  const groups = call.behaviour.chunks;
  const shows = call.flavour === 'vllm';
  let unheard = thinking.length;
  const heard = (tokens: number): number => {
    const all = tokens + unheard;
    unheard = 0;
    return all;
  };
  const opening = blocks[0]?.kind === 'text' ? { content: '' } : { content: null };
  yield { is: ['begin'], tokens: 0, delta: { role: 'assistant', ...opening, refusal: null } };
  if (shows) {
    unheard = 0;
    for (const said of grouped(thinking, groups)) {
      yield { is: ['content'], tokens: said.length, delta: { reasoning: said.join('') } };
    }
  }
  let calls = 0;
  for (const block of blocks) {
    const at = block.kind === 'tool-call' ? calls++ : 0;
    if (block.kind === 'tool-call') yield { is: [], tokens: 0, delta: opened(block.name, at) };
    for (const said of grouped(block.pieces, groups)) {
      const delta = contentDelta(block.kind, said.join(''), at);
      yield { is: ['content'], tokens: heard(said.length), delta };
    }
  }
  yield { is: ['finish'], tokens: heard(0), delta: {}, finish: FINISH[end] };

  function opened(name: string, at: number) {
    const called = { name, arguments: '' };
    const id = toolCallId(call, index, at);
    return { tool_calls: [{ index: at, id, type: 'function', function: called }] };
  }
}

function contentDelta(kind: Block['kind'], text: string, at: number) {
  switch (kind) {
    case 'text':
      return { content: text };
    case 'refusal':
      return { refusal: text };
    case 'tool-call':
      return { tool_calls: [{ index: at, function: { arguments: text } }] };
  }
}

function envelope({ id, created, model, flavour }: Call, object: string) {
  const tier = flavour === 'openai' ? { service_tier: 'default' } : {};
  return { id, object, created, model, ...tier, system_fingerprint: SYSTEM_FINGERPRINT };
}

/** Azure begins with a chunk that is about the prompt and has no answer in it. */
function filterChunk(): string {
  const empty = { id: '', object: '', created: 0, model: '', choices: [] };
  return event({ ...empty, prompt_filter_results: promptFilters() });
}

function promptFilters() {
  return [{ prompt_index: 0, content_filter_results: FILTERS }];
}

function filtersOf({ flavour }: Call) {
  return flavour === 'azure-openai' ? { content_filter_results: {} } : {};
}

function toolCallId({ id }: Call, index: number, at: number): string {
  return `call_${id.slice(-20)}${index}_${at}`;
}

function event(body: object): string {
  return `data: ${jsonText(body)}\n\n`;
}
