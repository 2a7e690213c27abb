/** A chat completion call: its facts for the request path, and its exchange with providers that speak chat too. */
import { TOKENS_FOR_TOOLS } from '../allowances.ts';
import type { Call, Target } from '../call.ts';
import { readChatAnswer } from './chat-answer.ts';
import { renderChatCompletion } from './chat-completion.ts';
import { chatConversation } from './chat-conversation.ts';
import { createChatEncoder } from './chat-encoder.ts';
import {
  type ChatRequestBody,
  parseChatRequest,
  unforwarded,
  upstreamChatBody,
} from './chat-request.ts';
import { fieldsLeftOut } from './chat-rules.ts';
import { createChatStream } from './chat-stream.ts';
import { imageTokens } from './content.ts';
import { estimateTextTokens } from './text.ts';
import { openAiVoice } from './voice.ts';

/** Role and delimiters that models of the OpenAI dialect add to each message. */
const TOKENS_AROUND_A_MESSAGE = 4;

/** Throws GatewayError `invalid_request` that names the field. */
export function chatCall(bytes: Uint8Array): Call {
  const request = parseChatRequest(bytes);
  const { body } = request;
  const style = { wantsUsage: wantsUsage(body), legacy: body.functions != null };
  return {
    dialect: 'openai-chat',
    voice: openAiVoice,
    alias: body.model,
    stream: body.stream === true,
    maxOutputTokens: body.max_completion_tokens ?? body.max_tokens ?? undefined,
    choices: body.n ?? 1,
    tokensBesideText: imageTokens(body.messages) + hiddenTokens(body),
    // OpenAI's newer models write to their cache unasked, at one price whatever the duration.
    cacheWrites: '5m',
    tags: body.metadata ?? {},
    endUser: body.user ?? undefined,
    estimatedInputTokens: () =>
      estimateTextTokens([body.messages, body.tools]) +
      body.messages.length * TOKENS_AROUND_A_MESSAGE,
    pass: (target: Target) => {
      const leftOut = fieldsLeftOut(body, target.chatRules);
      return {
        body: upstreamChatBody(request, target, leftOut),
        dropped: [...unforwarded(body), ...leftOut],
        stream: () => createChatStream(style),
        whole: (answer) => ({ ...readChatAnswer(answer), body: answer }),
      };
    },
    translation: {
      conversation: () => chatConversation(body),
      encoder: (context) => createChatEncoder(context, style),
      render: (events, context) => renderChatCompletion(events, context, style),
    },
  };
}

/** A provider may tell its model how to use tools and keep to a schema, in tokens that nobody sent. */
function hiddenTokens({ tools, functions, response_format }: ChatRequestBody): number {
  const hasSchema = [tools, functions, response_format].some((each) => each != null);
  return hasSchema ? TOKENS_FOR_TOOLS : 0;
}

/** The caller wants the usage chunk; upstream is always asked for it. */
function wantsUsage({ stream_options }: ChatRequestBody): boolean {
  return stream_options?.include_usage === true;
}
