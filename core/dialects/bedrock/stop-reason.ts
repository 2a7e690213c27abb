import type { AnswerEvent, StopReason } from '../answer.ts';
import { asRecord, asText, type JsonRecord } from '../json-record.ts';

/** Why an answer ended, from the object that says so; undefined as {@link stopReasonOf}. */
export function stopEventOf(said: JsonRecord): (AnswerEvent & { kind: 'stop' }) | undefined {
  const word = said['stopReason'];
  const reason = stopReasonOf(word);
  if (reason === undefined) return undefined;
  return { kind: 'stop', reason, word: String(word), ...metStopSequence(said) };
}

/** The stop sequence that was met, where the model tells it: the field that the request asks back. */
function metStopSequence(answer: JsonRecord): { readonly stopSequence?: string } {
  const additional = asRecord(answer['additionalModelResponseFields']);
  const fields = asRecord(additional?.['delta']) ?? additional;
  const stopSequence = asText(fields?.['stop_sequence']);
  return stopSequence === undefined ? {} : { stopSequence };
}

/**
 * Undefined where the model broke off what it was saying, and for reasons that nobody here knows: neither
 * may look like an end. Source: Amazon Bedrock API reference, "Converse", stopReason.
 */
function stopReasonOf(reason: unknown): StopReason | undefined {
  switch (reason) {
    case 'end_turn':
      return 'end';
    case 'tool_use':
      return 'tool-calls';
    case 'max_tokens':
      return 'max-tokens';
    case 'stop_sequence':
      return 'stop-sequence';
    case 'guardrail_intervened':
    case 'content_filtered':
      return 'content-filter';
    case 'model_context_window_exceeded':
      return 'context-exceeded';
    default:
      return undefined;
  }
}
