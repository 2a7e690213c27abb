/**
 * An answer told as a Responses stream: numbered events in which every item and part that is added is also
 * done, and a last one that carries the whole response. The whole answer is that response alone.
 */
import type { AnswerEvent, StopReason } from '../answer.ts';
import type { AnswerContext, AnswerEncoder } from '../call.ts';
import { createOutput, type ItemStatus } from './responses-output.ts';
import { renderResponsesUsage } from './responses-render-usage.ts';
import type { ResponsesBody } from './responses-request.ts';
import { eventText, responsesErrorEvent } from './responses-voice.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface ResponsesEncoder extends AnswerEncoder {
  /** The whole response as told so far. */
  response(): Fields;
}

export function createResponsesEncoder(
  asked: ResponsesBody,
  context: AnswerContext,
): ResponsesEncoder {
  let text = '';
  let nextNumber = 0;
  let stop: StopReason | undefined;
  let usage: Fields | undefined;
  const emit = (type: string, fields: Fields) => {
    text += eventText(type, nextNumber, fields);
    nextNumber += 1;
  };
  const frame = frameOf(asked, context);
  const output = createOutput(emit, {
    idSuffix: idSuffix(context),
    showsThinking: (asked.reasoning?.summary ?? asked.reasoning?.generate_summary) != null,
    carriesThinking: (asked.include ?? []).includes('reasoning.encrypted_content'),
  });
  const end = () => endOf(stop, output.refused());
  const response = () => ({
    ...frame,
    ...end(),
    output: output.items(),
    ...(usage === undefined ? {} : { usage }),
  });

  function tell(event: AnswerEvent): void {
    switch (event.kind) {
      case 'begin':
        return;
      case 'stop':
        stop = event.reason;
        output.close(end().status);
        return;
      case 'usage':
        usage = renderResponsesUsage(event.usage);
        return;
      case 'end':
        output.close(end().status);
        emit(`response.${end().status}`, { response: response() });
        return;
      case 'error':
        return;
      default:
        output.add(event);
    }
  }

  return {
    encode(event) {
      text = '';
      if (nextNumber === 0) {
        const opening = { ...frame, status: 'in_progress', output: [] };
        emit('response.created', { response: opening });
        emit('response.in_progress', { response: opening });
      }
      tell(event);
      return text;
    },
    errorEvent: (facts) => responsesErrorEvent(facts, nextNumber),
    response,
  };
}

/** Everything of the response that is known before the answer. */
function frameOf(asked: ResponsesBody, context: AnswerContext): Fields {
  const { effort = null, summary = null } = asked.reasoning ?? {};
  return {
    id: `resp_${idSuffix(context)}`,
    object: 'response',
    created_at: context.createdAtSeconds,
    background: false,
    error: null,
    incomplete_details: null,
    instructions: asked.instructions ?? null,
    max_output_tokens: asked.max_output_tokens ?? null,
    model: context.model,
    parallel_tool_calls: asked.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: { effort, summary },
    store: false,
    temperature: asked.temperature ?? null,
    text: { ...asked.text, format: asked.text?.format ?? { type: 'text' } },
    tool_choice: asked.tool_choice ?? 'auto',
    tools: (asked.tools ?? []).map((tool) =>
      tool.type === 'function'
        ? { ...tool, parameters: tool.parameters ?? null, strict: tool.strict ?? null }
        : tool,
    ),
    top_p: asked.top_p ?? null,
    truncation: asked.truncation ?? 'disabled',
    metadata: asked.metadata ?? {},
  };
}

function idSuffix({ requestId }: AnswerContext): string {
  return requestId.replace(/^req_/, '');
}

/** A refusal without a word of refusal would look like an empty success, so it counts as filtered. */
function endOf(
  stop: StopReason | undefined,
  refusedInWords: boolean,
): { readonly status: ItemStatus; readonly incomplete_details: Fields | null } {
  const incomplete = (reason: string) =>
    ({ status: 'incomplete', incomplete_details: { reason } }) as const;
  switch (stop) {
    case 'max-tokens':
    case 'context-exceeded':
    case 'pause':
      return incomplete('max_output_tokens');
    case 'content-filter':
      return incomplete('content_filter');
    case 'refusal':
      return refusedInWords
        ? { status: 'completed', incomplete_details: null }
        : incomplete('content_filter');
    case 'end':
    case 'stop-sequence':
    case 'tool-calls':
    case undefined:
      return { status: 'completed', incomplete_details: null };
  }
}
