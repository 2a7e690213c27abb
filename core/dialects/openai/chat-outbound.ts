/**
 * A conversation of another dialect as a request for chat completions: OpenAI's own servers, and all that
 * are compatible with them. What they cannot express is dropped by CHAT_TARGET_LOSSES.
 */
import { GatewayError } from '../../errors.ts';
import type { Outbound, Target } from '../call.ts';
import type { Conversation, Part, Thinking, ToolChoice } from '../conversation.ts';
import { createChatDecoder, decodeChatAnswer } from './chat-decoder.ts';
import { CHAT_TARGET_LOSSES, type ChatTargetLoss, refusalOf } from './chat-losses.ts';
import { chatMessages } from './chat-outbound-messages.ts';

export const openAiChat: Outbound = {
  encode(conversation, target) {
    return {
      body: JSON.stringify({ ...chatRequest(conversation, target), ...target.extra }),
      dropped: [...lossesOf(conversation), ...Object.keys(conversation.others)],
    };
  },
  decoder: createChatDecoder,
  decodeWhole: decodeChatAnswer,
};

/** Properties that are undefined are not sent. */
function chatRequest(conversation: Conversation, target: Target & { readonly stream: boolean }) {
  const { tools, stop, toolChoice, parallelToolCalls } = conversation;
  return {
    model: target.model,
    messages: chatMessages(conversation),
    [target.maxTokensField ?? 'max_completion_tokens']: target.maxOutputTokens,
    ...(tools.length === 0
      ? {}
      : {
          tools: tools.map(({ name, description, schema, strict }) => ({
            type: 'function',
            function: { name, description, parameters: schema, strict },
          })),
          tool_choice: toolChoice === undefined ? undefined : choiceOf(toolChoice),
          parallel_tool_calls: parallelToolCalls,
        }),
    response_format: formatOf(conversation),
    reasoning_effort: effortOf(conversation.thinking),
    temperature: conversation.temperature,
    top_p: conversation.topP,
    frequency_penalty: conversation.frequencyPenalty,
    presence_penalty: conversation.presencePenalty,
    seed: conversation.seed,
    stop: stop.length === 0 ? undefined : stop,
    ...(target.stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  };
}

function choiceOf(choice: ToolChoice) {
  return choice.kind === 'tool'
    ? { type: 'function', function: { name: choice.name } }
    : choice.kind;
}

function formatOf({ output }: Conversation) {
  if (output === undefined) return undefined;
  if (output.kind === 'json') return { type: 'json_object' };
  const { name, schema, strict } = output;
  return { type: 'json_schema', json_schema: { name, schema, strict } };
}

/** Thinking tokens from which on an effort is meant: callers give a few thousand for a hard task, and tens for the hardest. */
const MEDIUM_FROM_TOKENS = 4_096;
const HIGH_FROM_TOKENS = 16_384;

/** Undefined leaves it to the model, which then decides by itself as in adaptive thinking. */
function effortOf(thinking: Thinking | undefined): string | undefined {
  switch (thinking?.kind) {
    case 'effort':
      return thinking.effort;
    case 'budget':
      if (thinking.tokens >= HIGH_FROM_TOKENS) return 'high';
      return thinking.tokens >= MEDIUM_FROM_TOKENS ? 'medium' : 'low';
    case 'adaptive':
    case 'off':
    case undefined:
      return undefined;
  }
}

/** What is dropped. Throws GatewayError `invalid_request` for what must not be. */
function lossesOf(conversation: Conversation): string[] {
  const parts = conversation.turns.flatMap((turn) => turn.parts);
  const lost = CHAT_TARGET_LOSSES.filter(({ field }) => LOSES[field](conversation, parts));
  for (const { field, outcome, reason } of lost)
    if (outcome === 'refuse')
      throw new GatewayError('invalid_request', refusalOf(field, reason), { param: field });
  return lost.map(({ field }) => field);
}

const LOSES: Readonly<
  Record<ChatTargetLoss, (conversation: Conversation, parts: readonly Part[]) => boolean>
> = {
  messages: ({ turns }) => turns.at(-1)?.role === 'assistant',
  top_k: ({ topK }) => topK !== undefined,
  cache_control: ({ system, tools }, parts) =>
    [...system, ...tools, ...parts].some((each) => 'cache' in each && each.cache !== undefined),
  'messages.content.is_error': (_, parts) =>
    parts.some((part) => part.kind === 'tool-result' && part.isError),
  'messages.content.thinking': (_, parts) =>
    parts.some(({ kind }) => kind === 'thinking' || kind === 'redacted-thinking'),
  thinking: ({ thinking }) => thinking?.kind === 'off',
};
