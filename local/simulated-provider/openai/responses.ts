/** OpenAI's responses: the same answer as items, and every step of each item as an event with a number. */
import type { Answer, Block } from '../answer.ts';
import {
  type Call,
  type Dialect,
  grouped,
  jsonText,
  toldUsage,
  type Wire,
  type WireEvent,
} from '../wire.ts';
import { ENGINE_DIED, openAiError } from './errors.ts';
import { type ReadResponses, readResponses } from './responses-request.ts';
import { responsesUsage } from './usage.ts';

export const responses: Dialect = {
  name: 'openai-responses',
  idPrefix: 'resp_',
  cachesAlone: true,
  error: openAiError,
  read: (body) => {
    const read = readResponses(body);
    if (read.kind === 'invalid') return read;
    return { ...read, open: (answer, call) => responsesWire(answer, call, read) };
  },
};

function responsesWire(answer: Answer, call: Call, asked: ReadResponses): Wire {
  return {
    contentType: 'text/event-stream; charset=utf-8',
    whole: () => jsonText(finalResponse(answer, call, asked)),
    stream: {
      events: () => events(answer, call, asked),
      failure: [
        event({
          type: 'error',
          sequence_number: 0,
          code: 'server_error',
          message: ENGINE_DIED.message,
          param: null,
        }),
        event({
          type: 'response.failed',
          sequence_number: 1,
          response: {
            ...response(call, 'failed', []),
            error: { code: 'server_error', message: ENGINE_DIED.message },
          },
        }),
      ],
      halfAnEvent: 'event: response.output_text.delta\ndata: {"type":"response.output_te\n\n',
      invalidUtf8: Buffer.concat([
        Buffer.from('data: {"type":"response.output_text.delta","delta":"'),
        Buffer.from([0xc3, 0x28, 0xff]),
        Buffer.from('"}\n\n'),
      ]),
    },
  };
}

function* events(answer: Answer, call: Call, asked: ReadResponses): Generator<WireEvent> {
  let sequence = 0;
  const numbered = (
    body: { readonly type: string } & Record<string, unknown>,
    { is = [], tokens = 0 }: Partial<Pick<WireEvent, 'is' | 'tokens'>> = {},
  ): WireEvent => ({ is, tokens, bytes: event({ ...body, sequence_number: sequence++ }) });

  const begun = response(call, 'in_progress', []);
  yield numbered({ type: 'response.created', response: begun }, { is: ['begin'] });
  yield numbered({ type: 'response.in_progress', response: begun });
  for (const [index, item] of itemsOf(answer, call, asked).entries()) {
    yield numbered({ type: 'response.output_item.added', output_index: index, item: item.empty });
    const place = { item_id: item.id, output_index: index };
    for (const { body, is, tokens } of item.steps(call.behaviour.chunks)) {
      yield numbered({ ...place, ...body }, { is, tokens });
    }
    const done = { type: 'response.output_item.done', output_index: index, item: item.done };
    yield numbered(done, { tokens: item.hiddenTokens });
  }
  const final = finalResponse(answer, call, asked);
  const type = final.status === 'incomplete' ? 'response.incomplete' : 'response.completed';
  yield numbered({ type, response: final }, { is: ['finish', 'usage', 'done'] });
}

interface ItemStep extends Pick<WireEvent, 'is' | 'tokens'> {
  readonly body: { readonly type: string } & Record<string, unknown>;
}

interface Item {
  readonly id: string;
  readonly empty: object;
  readonly done: object;
  /** Generated without a word of them in the stream; billed with the end of the item. */
  readonly hiddenTokens: number;
  steps(groups: number | undefined): Iterable<ItemStep>;
}

function itemsOf({ choices }: Answer, call: Call, asked: ReadResponses): readonly Item[] {
  const [choice] = choices;
  if (choice === undefined) return [];
  const suffix = call.id.replace(/^resp_/, '');
  const blocks = choice.blocks.map((block, index) =>
    block.kind === 'tool-call'
      ? functionCallItem(block, `${suffix}${index}`)
      : messageItem(block, `msg_${suffix}${index}`),
  );
  if (choice.thinking.length === 0) return blocks;
  return [reasoningItem(choice.thinking, `rs_${suffix}`, asked), ...blocks];
}

function messageItem(block: Exclude<Block, { kind: 'tool-call' }>, id: string): Item {
  const item = { id, type: 'message', role: 'assistant' };
  const text = block.pieces.join('');
  const isText = block.kind === 'text';
  const part = (said: string) =>
    isText
      ? { type: 'output_text', text: said, annotations: [], logprobs: [] }
      : { type: 'refusal', refusal: said };
  const name = isText ? 'response.output_text' : 'response.refusal';
  const extra = { content_index: 0, ...(isText ? { logprobs: [] } : {}) };
  return {
    id,
    empty: { ...item, status: 'in_progress', content: [] },
    done: { ...item, status: 'completed', content: [part(text)] },
    hiddenTokens: 0,
    *steps(groups) {
      const place = { content_index: 0 };
      yield step({ type: 'response.content_part.added', ...place, part: part('') });
      for (const said of grouped(block.pieces, groups)) {
        const body = { type: `${name}.delta`, ...extra, delta: said.join('') };
        yield step(body, said.length);
      }
      yield step({ type: `${name}.done`, ...extra, [isText ? 'text' : 'refusal']: text });
      yield step({ type: 'response.content_part.done', ...place, part: part(text) });
    },
  };
}

function functionCallItem(block: Extract<Block, { kind: 'tool-call' }>, suffix: string): Item {
  const id = `fc_${suffix}`;
  const item = { id, type: 'function_call', call_id: `call_${suffix}`, name: block.name };
  const whole = block.pieces.join('');
  const name = 'response.function_call_arguments';
  return {
    id,
    empty: { ...item, status: 'in_progress', arguments: '' },
    done: { ...item, status: 'completed', arguments: whole },
    hiddenTokens: 0,
    *steps(groups) {
      for (const said of grouped(block.pieces, groups)) {
        yield step({ type: `${name}.delta`, delta: said.join('') }, said.length);
      }
      yield step({ type: `${name}.done`, name: block.name, arguments: whole });
    },
  };
}

function reasoningItem(
  thinking: readonly string[],
  id: string,
  { summary, encrypted }: ReadResponses,
): Item {
  const text = thinking.join('');
  const item = {
    id,
    type: 'reasoning',
    ...(encrypted ? { encrypted_content: `sealed:${text.length}` } : {}),
  };
  const part = (said: string) => ({ type: 'summary_text', text: said });
  const place = { summary_index: 0 };
  return {
    id,
    empty: { ...item, summary: [] },
    done: { ...item, summary: summary ? [part(text)] : [] },
    hiddenTokens: summary ? 0 : thinking.length,
    *steps(groups) {
      const name = 'response.reasoning_summary';
      if (!summary) return;
      yield step({ type: `${name}_part.added`, ...place, part: part('') });
      for (const said of grouped(thinking, groups)) {
        yield step({ type: `${name}_text.delta`, ...place, delta: said.join('') }, said.length);
      }
      yield step({ type: `${name}_text.done`, ...place, text });
      yield step({ type: `${name}_part.done`, ...place, part: part(text) });
    },
  };
}

function step(body: ItemStep['body'], tokens = 0): ItemStep {
  return { body, tokens, is: tokens > 0 ? ['content'] : [] };
}

function finalResponse(answer: Answer, call: Call, asked: ReadResponses) {
  const incomplete = answer.choices[0]?.end === 'length';
  const output = itemsOf(answer, call, asked).map(({ done }) => done);
  return {
    ...response(call, incomplete ? 'incomplete' : 'completed', output),
    incomplete_details: incomplete ? { reason: 'max_output_tokens' } : null,
    usage: toldUsage(responsesUsage(answer), call.behaviour.fault),
  };
}

function response({ id, created, model }: Call, status: string, output: readonly object[]) {
  return {
    id,
    object: 'response',
    created_at: created,
    status,
    background: false,
    error: null,
    incomplete_details: null,
    instructions: null,
    max_output_tokens: null,
    model,
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    service_tier: 'default',
    store: false,
    temperature: 1,
    text: { format: { type: 'text' }, verbosity: 'medium' },
    tool_choice: 'auto',
    tools: [],
    top_logprobs: 0,
    top_p: 1,
    truncation: 'disabled',
    usage: null,
    user: null,
    metadata: {},
  };
}

function event(body: { readonly type: string } & Record<string, unknown>): string {
  return `event: ${body.type}\ndata: ${jsonText(body)}\n\n`;
}
