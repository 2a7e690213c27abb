/** A Responses call: its facts for the request path, its exchange with providers that speak it, and its translation. */

import { TOKENS_FOR_TOOLS, TOKENS_PER_IMAGE } from '../allowances.ts';
import type { Call } from '../call.ts';
import { readResponsesAnswer } from './responses-answer.ts';
import { conversationOf } from './responses-conversation.ts';
import { createResponsesEncoder } from './responses-encoder.ts';
import { droppedFields } from './responses-fields.ts';
import { isOwnReasoning } from './responses-reasoning.ts';
import {
  parseResponsesRequest,
  type ResponsesBody,
  upstreamResponsesBody,
} from './responses-request.ts';
import { createResponsesStream } from './responses-stream.ts';
import { responsesVoice } from './responses-voice.ts';
import { estimateTextTokens } from './text.ts';

/** Role and delimiters that models add to each message. */
const TOKENS_AROUND_AN_ITEM = 4;

/** Throws GatewayError `invalid_request` that names the field. */
export function responsesCall(bytes: Uint8Array): Call {
  const request = parseResponsesRequest(bytes);
  const { body } = request;
  const { input } = body;
  return {
    dialect: 'openai-responses',
    voice: responsesVoice,
    alias: body.model,
    stream: body.stream === true,
    maxOutputTokens: body.max_output_tokens ?? undefined,
    choices: 1,
    tokensBesideText: imagesIn(input) * TOKENS_PER_IMAGE + hiddenTokens(body),
    // OpenAI's newer models write to their cache unasked, at one price whatever the duration.
    cacheWrites: '5m',
    tags: body.metadata ?? {},
    endUser: body.user ?? undefined,
    estimatedInputTokens: () =>
      estimateTextTokens([body.instructions, input, body.tools]) +
      (typeof input === 'string' ? 1 : input.length) * TOKENS_AROUND_AN_ITEM,
    pass: (target) => ({
      body: upstreamResponsesBody(request, target),
      dropped: [
        ...droppedFields(body, 'every provider'),
        ...(carriesReasoning(input) ? ['input.reasoning'] : []),
      ],
      stream: createResponsesStream,
      whole: (answer) => ({ ...readResponsesAnswer(answer), body: answer }),
    }),
    translation: {
      conversation: () => conversationOf(body),
      encoder: (context) => createResponsesEncoder(body, context),
      render(events, context) {
        const encoder = createResponsesEncoder(body, context);
        for (const event of events) encoder.encode(event);
        return JSON.stringify(encoder.response());
      },
    },
  };
}

/** A provider may tell its model how to use tools and keep to a schema, in tokens that nobody sent. */
function hiddenTokens({ tools, text }: ResponsesBody): number {
  const hasSchema = (tools ?? []).length > 0 || text?.format?.type === 'json_schema';
  return hasSchema ? TOKENS_FOR_TOOLS : 0;
}

/** Another provider's, which the provider of this dialect cannot read. */
function carriesReasoning(input: ResponsesBody['input']): boolean {
  return typeof input !== 'string' && input.some(isOwnReasoning);
}

function imagesIn(input: ResponsesBody['input']): number {
  if (typeof input === 'string') return 0;
  const parts = input.flatMap((item): readonly { readonly type: string }[] => {
    const content = 'output' in item ? item.output : 'role' in item ? item.content : [];
    return typeof content === 'string' ? [] : content;
  });
  return parts.filter(({ type }) => type === 'input_image').length;
}
