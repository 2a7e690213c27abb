/** A conversation as an Anthropic messages request. */
import { GatewayError } from '../../errors.ts';
import type { Encoded, Target } from '../call.ts';
import type {
  CacheTtl,
  Conversation,
  ImagePart,
  Part,
  TextPart,
  Tool,
  ToolResultPart,
  Turn,
} from '../conversation.ts';
import { outputSchema } from './output-schema.ts';
import { tuning } from './tuning.ts';

/** Throws GatewayError `invalid_request` naming the field that Anthropic cannot express. */
export function encodeMessages(
  conversation: Conversation,
  target: Target & { readonly stream: boolean },
): Encoded {
  const { system, tools, stop } = conversation;
  const said = system.flatMap(textBlocks);
  const tuned = tuning(conversation, target);
  const format = formatOf(conversation);
  const outputConfig = { ...tuned.outputConfig, ...(format && { format: format.format }) };
  const choice = toolChoice(conversation);
  const body = {
    model: target.model,
    max_tokens: target.maxOutputTokens,
    ...(said.length > 0 ? { system: said } : {}),
    messages: conversation.turns.flatMap(messagesOf),
    ...(tools.length > 0 ? { tools: tools.map(toolOf) } : {}),
    ...(choice === undefined ? {} : { tool_choice: choice }),
    ...(stop.length > 0 ? { stop_sequences: stop.map(stopSequence) } : {}),
    ...tuned.fields,
    ...(Object.keys(outputConfig).length > 0 ? { output_config: outputConfig } : {}),
    ...(target.stream ? { stream: true } : {}),
    ...target.extra,
  };
  const dropped = [
    ...Object.keys(conversation.others),
    ...tuned.dropped,
    ...(format?.dropped ?? []),
    ...(hasUnsigned(conversation) ? ['messages.content.thinking'] : []),
  ];
  return { body: JSON.stringify(body), dropped };
}

/** A turn of nothing but what cannot be said is no message; neighbours of one role are one turn there. */
function messagesOf({ role, parts }: Turn): object[] {
  // Anthropic wants the results of tools before anything else in the user's turn.
  const ordered = [
    ...parts.filter(({ kind }) => kind === 'tool-result'),
    ...parts.filter(({ kind }) => kind !== 'tool-result'),
  ];
  const content = ordered.flatMap(blocksOf);
  return content.length === 0 ? [] : [{ role, content }];
}

function blocksOf(part: Part): object[] {
  switch (part.kind) {
    case 'text':
      return textBlocks(part);
    case 'refusal':
      return textBlocks({ kind: 'text', text: part.text });
    case 'image':
      return [imageBlock(part)];
    case 'tool-call': {
      const { id, name } = part;
      const input = inputOf(part.arguments);
      return [{ type: 'tool_use', id: toolId(id), name, input, ...cacheControl(part) }];
    }
    case 'tool-result':
      return [resultBlock(part)];
    case 'thinking':
      return part.signature === undefined
        ? []
        : [{ type: 'thinking', thinking: part.text, signature: part.signature }];
    case 'redacted-thinking':
      return [{ type: 'redacted_thinking', data: part.data }];
  }
}

/** Anthropic refuses blocks of nothing but white space. */
function textBlocks(part: TextPart): object[] {
  if (part.text.trim() === '') return [];
  return [{ type: 'text', text: part.text, ...cacheControl(part) }];
}

function imageBlock(part: ImagePart): object {
  const { source } = part;
  return {
    type: 'image',
    source:
      source.kind === 'url'
        ? { type: 'url', url: source.url }
        : { type: 'base64', media_type: source.mediaType, data: source.data },
    ...cacheControl(part),
  };
}

function resultBlock(part: ToolResultPart): object {
  const content = part.content.flatMap((each) =>
    each.kind === 'text' ? textBlocks(each) : [imageBlock(each)],
  );
  return {
    type: 'tool_result',
    tool_use_id: toolId(part.callId),
    ...(content.length > 0 ? { content } : {}),
    ...(part.isError ? { is_error: true } : {}),
    ...cacheControl(part),
  };
}

function cacheControl({ cache }: { readonly cache?: CacheTtl }): object {
  if (cache === undefined) return {};
  return { cache_control: { type: 'ephemeral', ...(cache === '5m' ? {} : { ttl: cache }) } };
}

/** Other providers' ids may have letters that Anthropic's may not; the same id is always the same. */
function toolId(id: string): string {
  return /^[A-Za-z0-9_-]+$/.test(id) ? id : `toolu_${Buffer.from(id).toString('base64url')}`;
}

function inputOf(json: string): unknown {
  const input = json.trim() === '' ? {} : parsed(json);
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) return input;
  throw new GatewayError(
    'invalid_request',
    'The arguments of an earlier tool call are not the JSON text of an object.',
    { param: 'messages' },
  );
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function toolOf(tool: Tool): object {
  const { name, description, schema, strict } = tool;
  return {
    name,
    ...(description === undefined ? {} : { description }),
    input_schema: { type: 'object', ...schema },
    ...(strict === undefined ? {} : { strict }),
    ...cacheControl(tool),
  };
}

function toolChoice({ tools, toolChoice: choice, parallelToolCalls }: Conversation) {
  if (tools.length === 0) return undefined;
  const serial = parallelToolCalls === false ? { disable_parallel_tool_use: true } : {};
  switch (choice?.kind) {
    case 'none':
      return { type: 'none' };
    case 'required':
      return { type: 'any', ...serial };
    case 'tool':
      return { type: 'tool', name: choice.name, ...serial };
    case 'auto':
      return { type: 'auto', ...serial };
    case undefined:
      return parallelToolCalls === false ? { type: 'auto', ...serial } : undefined;
  }
}

function formatOf({ output }: Conversation) {
  if (output === undefined) return undefined;
  if (output.kind === 'json') {
    throw new GatewayError(
      'invalid_request',
      "Invalid value for 'response_format': this model needs a schema for JSON; use 'json_schema'.",
      { param: 'response_format' },
    );
  }
  const { schema, softened } = outputSchema(output.schema);
  return {
    format: { type: 'json_schema', schema },
    dropped: softened.map((keyword) => `response_format.json_schema.schema.${keyword}`),
  };
}

function stopSequence(text: string): string {
  if (text.trim() !== '') return text;
  throw new GatewayError(
    'invalid_request',
    "Invalid value for 'stop': this model cannot stop at nothing but white space.",
    { param: 'stop' },
  );
}

function hasUnsigned({ turns }: Conversation): boolean {
  return turns.some(({ parts }) =>
    parts.some((part) => part.kind === 'thinking' && part.signature === undefined),
  );
}
