/** Answers for callers of the Anthropic dialect, whole or as a stream, from neutral events. */
import { createTokenEstimate, type TokenUsage } from '../../usage/tokens.ts';
import type { AnswerEvent, StopReason } from '../answer.ts';
import type { AnswerContext, AnswerEncoder } from '../call.ts';
import { textOf } from '../heard.ts';
import { createBlockWriter } from './block-writer.ts';
import { type AnthropicUsage, renderAnthropicUsage } from './render-usage.ts';

/** What is known of the caller's prompt where the provider does not count it in time. */
export interface MessageContext extends AnswerContext {
  estimatedInputTokens(): number;
}

/**
 * `message_start` tells the input tokens, and most other dialects count only at their end. So it carries
 * the provider's number where that came first and the gateway's estimate otherwise, never 0; the
 * provider's final numbers, input and cache included, come in `message_delta`, and clients take the last.
 */
export function createMessagesEncoder(context: MessageContext): AnswerEncoder {
  const ending = createEnding(context);
  const blocks = createBlockWriter();
  let id: string | undefined;
  let isStarted = false;

  function start(): string {
    if (isStarted) return '';
    isStarted = true;
    const usage = renderAnthropicUsage({ ...ending.usage(), outputTokens: 1 });
    const message = messageOf(context, { id, content: [], usage, ending: undefined });
    return eventText('message_start', { type: 'message_start', message });
  }

  function contentOf(event: AnswerEvent): string {
    switch (event.kind) {
      case 'text':
      case 'refusal':
        return event.text === '' ? '' : blocks.text(event.text);
      case 'thinking':
        return event.text === '' ? '' : blocks.thinking(event.text);
      case 'thinking-signature':
        return blocks.signature(event.signature);
      case 'redacted-thinking':
        return blocks.redactedThinking(event.data);
      case 'tool-call':
        return blocks.toolCall(event);
      case 'tool-arguments':
        return event.json === '' ? '' : blocks.toolArguments(event.index, event.json);
      default:
        return '';
    }
  }

  function end(): string {
    const { stop_reason, stop_sequence } = ending.stop();
    const delta = { stop_reason, stop_sequence, stop_details: null };
    const usage = renderAnthropicUsage(ending.usage());
    return `${start()}${blocks.close()}${eventText('message_delta', { type: 'message_delta', delta, usage })}${eventText('message_stop', { type: 'message_stop' })}`;
  }

  return {
    encode(event) {
      ending.hear(event);
      switch (event.kind) {
        case 'begin':
          id = event.id;
          return '';
        case 'usage':
        case 'stop':
        case 'error':
          return '';
        case 'end':
          return end();
        default:
          return start() + contentOf(event);
      }
    },
  };
}

export function renderMessage(events: readonly AnswerEvent[], context: MessageContext): string {
  const ending = createEnding(context);
  const content: Content[] = [];
  const tools = new Map<number, { json: string; block: Content }>();
  let id: string | undefined;
  for (const event of events) {
    ending.hear(event);
    if (event.kind === 'begin') id = event.id;
    else if (event.kind === 'tool-arguments') {
      const tool = tools.get(event.index);
      if (tool !== undefined) tool.json += event.json;
    } else {
      addContent(content, event);
      const block = content.at(-1);
      if (event.kind === 'tool-call' && block !== undefined)
        tools.set(event.index, { json: '', block });
    }
  }
  for (const { json, block } of tools.values()) block['input'] = inputOf(json);
  const usage = renderAnthropicUsage(ending.usage());
  return JSON.stringify(messageOf(context, { id, content, usage, ending: ending.stop() }));
}

type Content = Record<string, unknown>;

/** Pieces of one kind that follow each other are one block. */
function addContent(content: Content[], event: AnswerEvent): void {
  const last = content.at(-1);
  switch (event.kind) {
    case 'text':
    case 'refusal':
      if (event.text === '') return;
      if (last?.['type'] === 'text') last['text'] = `${last['text']}${event.text}`;
      else content.push({ type: 'text', text: event.text, citations: null });
      return;
    case 'thinking':
    case 'thinking-signature': {
      const isOpen = last?.['type'] === 'thinking' && last['signature'] === '';
      const block: Content = isOpen ? last : { type: 'thinking', thinking: '', signature: '' };
      if (!isOpen) content.push(block);
      if (event.kind === 'thinking') block['thinking'] = `${block['thinking']}${event.text}`;
      else block['signature'] = event.signature;
      return;
    }
    case 'redacted-thinking':
      content.push({ type: 'redacted_thinking', data: event.data });
      return;
    case 'tool-call': {
      const { id, name } = event;
      content.push({ type: 'tool_use', id, name, input: {}, caller: { type: 'direct' } });
      return;
    }
    default:
  }
}

/** A model can write arguments that are no JSON; they are shown rather than lost. */
function inputOf(json: string): unknown {
  if (json.trim() === '') return {};
  try {
    return JSON.parse(json);
  } catch {
    return { invalid_json: json };
  }
}

interface Stop {
  readonly stop_reason: string;
  readonly stop_sequence: string | null;
}

interface Ending {
  hear(event: AnswerEvent): void;
  /** As the provider counted; where it did not, as counted here. */
  usage(): TokenUsage;
  stop(): Stop;
}

function createEnding({ estimatedInputTokens }: MessageContext): Ending {
  const said = createTokenEstimate();
  let reported: TokenUsage | undefined;
  let reason: StopReason | undefined;
  let stopSequence: string | null = null;
  let hasTools = false;
  let hasRefused = false;
  return {
    hear(event) {
      said.add(textOf(event));
      if (event.kind === 'usage') reported = event.usage;
      if (event.kind === 'tool-call') hasTools = true;
      if (event.kind === 'refusal') hasRefused = true;
      if (event.kind !== 'stop') return;
      reason = event.reason;
      stopSequence = event.stopSequence ?? null;
    },
    usage: () =>
      reported ?? {
        inputTokens: Math.max(1, estimatedInputTokens()),
        cachedInputTokens: 0,
        outputTokens: said.tokens(),
        reasoningTokens: undefined,
      },
    stop() {
      const isPlain = reason === undefined || reason === 'end';
      if (isPlain && hasRefused) return { stop_reason: 'refusal', stop_sequence: null };
      // Some servers say `stop` after calls of tools; clients look at the reason to run them.
      if (isPlain && hasTools) return { stop_reason: 'tool_use', stop_sequence: null };
      return { stop_reason: STOP_REASONS[reason ?? 'end'], stop_sequence: stopSequence };
    },
  };
}

const STOP_REASONS: Readonly<Record<StopReason, string>> = {
  end: 'end_turn',
  'max-tokens': 'max_tokens',
  'stop-sequence': 'stop_sequence',
  'tool-calls': 'tool_use',
  refusal: 'refusal',
  'content-filter': 'refusal',
  pause: 'pause_turn',
  'context-exceeded': 'model_context_window_exceeded',
};

interface MessageParts {
  readonly id: string | undefined;
  readonly content: readonly unknown[];
  readonly usage: AnthropicUsage;
  readonly ending: Stop | undefined;
}

function messageOf(context: AnswerContext, { id, content, usage, ending }: MessageParts): unknown {
  return {
    id: id?.startsWith('msg_') ? id : `msg_${context.requestId.replace(/^req_/, '')}`,
    type: 'message',
    role: 'assistant',
    model: context.model,
    content,
    stop_reason: ending?.stop_reason ?? null,
    stop_sequence: ending?.stop_sequence ?? null,
    stop_details: null,
    container: null,
    usage,
  };
}

function eventText(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
