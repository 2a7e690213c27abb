/**
 * A conversation as the body of Converse and ConverseStream. What the API or the model's family cannot
 * express is refused or left out by the rows of compatibility-rows.ts, never silently.
 * Source: Amazon Bedrock API reference, "Converse".
 */
import type { Encoded, Target } from '../call.ts';
import { settleFields } from '../compatibility.ts';
import type { Conversation, OutputFormat } from '../conversation.ts';
import { CONVERSE_ROWS } from './compatibility-rows.ts';
import { messagesOf, textBlocks } from './content.ts';
import { type Draft, drop, newDraft, refuse } from './draft.ts';
import { thinkingSettings } from './thinking.ts';
import { toolSettings } from './tools.ts';

/** Where Claude says which stop sequence it met; Converse itself does not. */
const STOP_SEQUENCE_PATH = '/delta/stop_sequence';

/** Throws GatewayError `invalid_request` that names the caller's field. */
export function encodeConverse(conversation: Conversation, target: Target): Encoded {
  const draft = newDraft(target.model);
  const isClaude = draft.rules.family === 'claude';
  for (const field of settleFields(inNoWords(conversation), CONVERSE_ROWS))
    draft.dropped.add(field);
  const system = conversation.system.flatMap((part) => textBlocks(part, draft));
  const thinking = thinkingSettings(conversation.thinking, target.maxOutputTokens, draft);
  const { toolConfig, claudeChoice } = toolSettings(conversation, draft);
  const sampling = samplingOf(conversation, thinking.thinks, draft);
  const additional = {
    ...thinking.additional,
    ...(claudeChoice === undefined ? {} : { tool_choice: claudeChoice }),
    ...(sampling.topK === undefined ? {} : { top_k: sampling.topK }),
  };
  const output = { textFormat: textFormat(conversation.output), effort: thinking.effort };
  const body = {
    ...(system.length === 0 ? {} : { system }),
    messages: messagesOf(conversation.turns, draft),
    inferenceConfig: {
      maxTokens: target.maxOutputTokens,
      temperature: sampling.temperature,
      topP: sampling.topP,
      stopSequences: stopSequences(conversation.stop, draft),
    },
    toolConfig,
    outputConfig: (output.textFormat ?? output.effort) ? output : undefined,
    additionalModelRequestFields: Object.keys(additional).length === 0 ? undefined : additional,
    additionalModelResponseFieldPaths: isClaude ? [STOP_SEQUENCE_PATH] : undefined,
    ...target.extra,
  };
  return { body: JSON.stringify(body), dropped: [...draft.dropped] };
}

/** What no model behind Converse can be told. */
function inNoWords({ seed, frequencyPenalty, presencePenalty, others }: Conversation) {
  return {
    ...others,
    seed,
    frequency_penalty: frequencyPenalty,
    presence_penalty: presencePenalty,
  };
}

type Sampling = Pick<Conversation, 'temperature' | 'topP' | 'topK'>;

function samplingOf(asked: Sampling, thinks: boolean, draft: Draft): Partial<Sampling> {
  const { family, takesSampling, takesTemperatureWithTopP } = draft.rules;
  const takesAny = takesSampling && !thinks;
  const takesTopK = takesAny && family === 'claude';
  const takesTopP = takesAny && (takesTemperatureWithTopP || asked.temperature === undefined);
  if (asked.temperature !== undefined && (!takesAny || asked.temperature > 1))
    drop(draft, 'temperature');
  if (asked.topP !== undefined && !takesTopP) drop(draft, 'top_p');
  if (asked.topK !== undefined && !takesTopK) drop(draft, 'top_k');
  return {
    ...(takesAny && asked.temperature !== undefined
      ? { temperature: Math.min(1, asked.temperature) }
      : {}),
    ...(takesTopP && asked.topP !== undefined ? { topP: asked.topP } : {}),
    ...(takesTopK && asked.topK !== undefined ? { topK: asked.topK } : {}),
  };
}

function stopSequences(stop: readonly string[], draft: Draft): readonly string[] | undefined {
  if (stop.length === 0) return undefined;
  return draft.rules.family === 'gpt-oss' ? refuse('stop') : stop;
}

function textFormat(output: OutputFormat | undefined) {
  if (output === undefined) return undefined;
  if (output.kind === 'json') return refuse('response_format');
  const { name, schema } = output;
  return {
    type: 'json_schema',
    structure: { jsonSchema: { schema: JSON.stringify(schema), name } },
  };
}
