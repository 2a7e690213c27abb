/** An answer of another dialect as a whole chat completion. */
import type { AnswerEvent, StopReason } from '../answer.ts';
import type { AnswerContext } from '../call.ts';
import { type ChatStyle, chatAnswerId, wordFor } from './chat-encoder.ts';
import { finishReason } from './finish-reasons.ts';
import { renderChatUsage } from './render-usage.ts';

interface Calls {
  readonly id: string;
  readonly name: string;
  readonly pieces: string[];
}

export function renderChatCompletion(
  events: readonly AnswerEvent[],
  { requestId, model, createdAtSeconds }: AnswerContext,
  style: ChatStyle,
): string {
  const calls = callsOf(events);
  const refusal = textOf(events, 'refusal');
  const said = { refusal: refusal !== '', toolCalls: calls.length > 0 };
  const reason = lastOf(events, 'stop')?.reason ?? endedBy(said.toolCalls);
  const usage = lastOf(events, 'usage')?.usage;
  return JSON.stringify({
    id: lastOf(events, 'begin')?.id ?? chatAnswerId(requestId),
    object: 'chat.completion',
    created: createdAtSeconds,
    model,
    choices: [
      {
        index: 0,
        message: messageOf(events, { calls, refusal, style }),
        logprobs: null,
        finish_reason: wordFor(finishReason(reason, said), style),
      },
    ],
    ...(usage === undefined ? {} : { usage: renderChatUsage(usage) }),
  });
}

function endedBy(toolCalls: boolean): StopReason {
  return toolCalls ? 'tool-calls' : 'end';
}

function messageOf(
  events: readonly AnswerEvent[],
  { calls, refusal, style }: { calls: readonly Calls[]; refusal: string; style: ChatStyle },
) {
  const text = textOf(events, 'text');
  const thinking = textOf(events, 'thinking');
  const saysElse = calls.length > 0 || refusal !== '';
  return {
    role: 'assistant',
    content: text === '' && saysElse ? null : text,
    refusal: refusal === '' ? null : refusal,
    ...(thinking === '' ? {} : { reasoning_content: thinking }),
    ...callFields(calls, style),
  };
}

function callFields(calls: readonly Calls[], { legacy }: ChatStyle) {
  const rendered = calls.map(({ id, name, pieces }) => ({
    id,
    type: 'function',
    function: { name, arguments: pieces.join('') || '{}' },
  }));
  if (legacy) return rendered[0] === undefined ? {} : { function_call: rendered[0].function };
  return rendered.length === 0 ? {} : { tool_calls: rendered };
}

function callsOf(events: readonly AnswerEvent[]): Calls[] {
  const byIndex = new Map<number, Calls>();
  for (const event of events) {
    if (event.kind === 'tool-call')
      byIndex.set(event.index, { id: event.id, name: event.name, pieces: [] });
    if (event.kind === 'tool-arguments') byIndex.get(event.index)?.pieces.push(event.json);
  }
  return [...byIndex.values()];
}

function textOf(events: readonly AnswerEvent[], kind: 'text' | 'refusal' | 'thinking'): string {
  return events.map((event) => (event.kind === kind ? event.text : '')).join('');
}

function lastOf<K extends AnswerEvent['kind']>(
  events: readonly AnswerEvent[],
  kind: K,
): Extract<AnswerEvent, { kind: K }> | undefined {
  return events.findLast(
    (event): event is Extract<AnswerEvent, { kind: K }> => event.kind === kind,
  );
}
