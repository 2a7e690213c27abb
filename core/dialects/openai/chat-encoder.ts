/**
 * An answer of another dialect as a chat stream. Strings are put together by hand, because everything but
 * the piece that was just said is the same in every chunk.
 */
import type { TokenUsage } from '../../usage/tokens.ts';
import type { AnswerEvent, StopReason } from '../answer.ts';
import type { AnswerContext, AnswerEncoder } from '../call.ts';
import { finishReason } from './finish-reasons.ts';
import { renderChatUsage } from './render-usage.ts';

/** How this caller wants to be told. */
export interface ChatStyle {
  /** One more chunk with the usage before the end, and a null in all others. */
  readonly wantsUsage: boolean;
  /** The caller asked with `functions`, so it reads `function_call`, of which an answer has one at most. */
  readonly legacy: boolean;
}

const DONE = 'data: [DONE]\n\n';
/** What clients parse as the arguments of a call that has none; not every provider says it. */
const NO_ARGUMENTS = '{}';

export function createChatEncoder(context: AnswerContext, style: ChatStyle): AnswerEncoder {
  const said = { refusal: false, toolCalls: false };
  const silentCalls = new Set<number>();
  let head: string | undefined;
  let stopped = false;
  let usage: TokenUsage | undefined;
  const usageField = style.wantsUsage ? ',"usage":null' : '';

  function chunk(delta: string, finish = 'null'): string {
    return `${head}[{"index":0,"delta":{${delta}},"logprobs":null,"finish_reason":${finish}}]${usageField}}\n\n`;
  }

  function begin(id: string | undefined): string {
    if (head !== undefined) return '';
    head = `data: ${chunkHead(context, id)},"choices":`;
    return chunk('"role":"assistant","content":""');
  }

  function call(index: number, fields: { id: string; name: string }): string {
    said.toolCalls = true;
    silentCalls.add(index);
    const name = JSON.stringify(fields.name);
    if (!style.legacy)
      return chunk(
        `"tool_calls":[{"index":${index},"id":${JSON.stringify(fields.id)},"type":"function","function":{"name":${name},"arguments":""}}]`,
      );
    return index === 0 ? chunk(`"function_call":{"name":${name},"arguments":""}`) : '';
  }

  function callArguments(index: number, json: string): string {
    silentCalls.delete(index);
    const fields = `{"arguments":${JSON.stringify(json)}}`;
    if (!style.legacy) return chunk(`"tool_calls":[{"index":${index},"function":${fields}}]`);
    return index === 0 ? chunk(`"function_call":${fields}`) : '';
  }

  function stop(reason: StopReason): string {
    if (stopped) return '';
    stopped = true;
    const rest = [...silentCalls].map((index) => callArguments(index, NO_ARGUMENTS)).join('');
    return rest + chunk('', JSON.stringify(wordFor(finishReason(reason, said), style)));
  }

  function end(): string {
    const last = stop(said.toolCalls ? 'tool-calls' : 'end');
    if (!style.wantsUsage || usage === undefined) return last + DONE;
    return `${last}${head}[],"usage":${JSON.stringify(renderChatUsage(usage))}}\n\n${DONE}`;
  }

  function encode(event: AnswerEvent): string {
    switch (event.kind) {
      case 'text':
        return chunk(`"content":${JSON.stringify(event.text)}`);
      case 'thinking':
        return chunk(`"reasoning_content":${JSON.stringify(event.text)}`);
      case 'refusal':
        said.refusal = true;
        return chunk(`"refusal":${JSON.stringify(event.text)}`);
      case 'tool-call':
        return call(event.index, event);
      case 'tool-arguments':
        return callArguments(event.index, event.json);
      case 'stop':
        return stop(event.reason);
      case 'usage':
        usage = event.usage;
        return '';
      case 'end':
        return end();
      case 'begin':
      case 'error':
      case 'thinking-signature':
      case 'redacted-thinking':
        return '';
    }
  }

  return {
    encode: (event) => begin(event.kind === 'begin' ? event.id : undefined) + encode(event),
  };
}

/** What all chunks of an answer have in common, up to its choices. */
function chunkHead({ requestId, createdAtSeconds, model }: AnswerContext, id: string | undefined) {
  const named = JSON.stringify(id ?? chatAnswerId(requestId));
  return `{"id":${named},"object":"chat.completion.chunk","created":${createdAtSeconds},"model":${JSON.stringify(model)}`;
}

/** For answers that came without an id of the provider's. */
export function chatAnswerId(requestId: string): string {
  return `chatcmpl-${requestId}`;
}

/** The finish reason as a caller of functions or of tools knows it. */
export function wordFor(
  reason: ReturnType<typeof finishReason>,
  { legacy }: ChatStyle,
): ReturnType<typeof finishReason> {
  return legacy && reason === 'tool_calls' ? 'function_call' : reason;
}
