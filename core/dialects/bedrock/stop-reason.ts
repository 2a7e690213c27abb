import type { StopReason } from '../answer.ts';

/**
 * Undefined where the model broke off what it was saying, and for reasons that nobody here knows: neither
 * may look like an end. Source: Amazon Bedrock API reference, "Converse", stopReason.
 */
export function stopReasonOf(reason: unknown): StopReason | undefined {
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
