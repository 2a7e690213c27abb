/**
 * An Anthropic request in neutral words, for providers of another dialect. What only tunes is left out
 * and named; what would change the meaning of the answer is refused with the caller's name for it.
 */
import { GatewayError } from '../../errors.ts';
import type {
  CacheTtl,
  Conversation,
  ImagePart,
  Part,
  TextPart,
  Thinking,
  Tool,
  ToolChoice,
  Turn,
} from '../conversation.ts';
import { leftOut } from './compatibility.ts';
import { formatOf } from './messages-request.ts';
import type {
  BlockParam,
  DocumentParam,
  ImageParam,
  MessageParam,
  MessagesRequest,
  TextParam,
  ToolResultParam,
} from './messages-schema.ts';

/** Throws GatewayError `invalid_request` naming the field that no other dialect can express. */
export function toConversation(body: MessagesRequest): Conversation {
  const { tool_choice: choice, temperature, top_p: topP, top_k: topK } = body;
  const format = formatOf(body);
  const toolChoice = choice === undefined ? undefined : choiceOf(choice);
  const isSerial =
    choice !== undefined && choice.type !== 'none' && choice.disable_parallel_tool_use === true;
  const thinking = thinkingOf(body);
  return {
    system:
      typeof body.system === 'string' ? textParts(body.system) : (body.system ?? []).map(textOf),
    turns: turnsOf(body.messages),
    tools: (body.tools ?? []).map(toolOf),
    ...(toolChoice === undefined ? {} : { toolChoice }),
    ...(isSerial ? { parallelToolCalls: false } : {}),
    ...(format == null
      ? {}
      : { output: { kind: 'schema', name: 'answer', schema: format.schema, strict: true } }),
    ...(thinking === undefined ? {} : { thinking }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(topK === undefined ? {} : { topK }),
    stop: body.stop_sequences ?? [],
    others: {},
    leftOut: leftOut(body),
  };
}

/** Roles take turns here; a system message between them stays at its place, in the user's turn. */
function turnsOf(messages: readonly MessageParam[]): Turn[] {
  const turns: { role: Turn['role']; parts: Part[] }[] = [];
  for (const [index, message] of messages.entries()) {
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    const { content } = message;
    const parts =
      typeof content === 'string'
        ? textParts(content)
        : content.map((block, at) => partOf(block, `messages.${index}.content.${at}`));
    const last = turns.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else turns.push({ role, parts });
  }
  return turns;
}

function partOf(block: BlockParam, path: string): Part {
  switch (block.type) {
    case 'text':
      return textOf(block);
    case 'image':
      return imageOf(block);
    case 'document':
      return documentOf(block, path);
    case 'tool_use': {
      const { id, name, input } = block;
      return { kind: 'tool-call', id, name, arguments: JSON.stringify(input), ...cacheOf(block) };
    }
    case 'tool_result':
      return {
        kind: 'tool-result',
        callId: block.tool_use_id,
        content: resultOf(block, path),
        isError: block.is_error === true,
        ...cacheOf(block),
      };
    case 'thinking':
      return {
        kind: 'thinking',
        text: block.thinking,
        signature: block.signature === '' ? undefined : block.signature,
      };
    case 'redacted_thinking':
      return { kind: 'redacted-thinking', data: block.data };
    case 'search_result':
      throw inexpressible(`${path}.type`, 'search results');
  }
}

function resultOf({ content }: ToolResultParam, path: string): (TextPart | ImagePart)[] {
  if (content === undefined) return [];
  if (typeof content === 'string') return textParts(content);
  return content.map((block, at) => {
    const inner = `${path}.content.${at}`;
    if (block.type === 'text') return textOf(block);
    if (block.type === 'image') return imageOf(block);
    if (block.type === 'document') return documentOf(block, inner);
    throw inexpressible(`${inner}.type`, 'search results');
  });
}

/** A document of plain text is its text below its title. */
function documentOf(block: DocumentParam, path: string): TextPart {
  const { source, title, context, citations } = block;
  if (citations?.enabled === true) throw inexpressible(`${path}.citations`, 'citations');
  const text = source.type === 'text' ? source.data : contentText(source.content, path);
  const whole = [title, context, text].filter((each) => each != null && each !== '').join('\n\n');
  return { kind: 'text', text: whole, ...cacheOf(block) };
}

function contentText(content: string | readonly (TextParam | ImageParam)[], path: string): string {
  if (typeof content === 'string') return content;
  return content
    .map((block) => {
      if (block.type === 'text') return block.text;
      throw inexpressible(`${path}.source.content`, 'images within documents');
    })
    .join('\n\n');
}

function textParts(text: string): TextPart[] {
  return text === '' ? [] : [{ kind: 'text', text }];
}

function textOf(block: TextParam): TextPart {
  return { kind: 'text', text: block.text, ...cacheOf(block) };
}

function imageOf(block: ImageParam): ImagePart {
  const { source } = block;
  return {
    kind: 'image',
    source:
      source.type === 'url'
        ? { kind: 'url', url: source.url }
        : { kind: 'base64', mediaType: source.media_type, data: source.data },
    ...cacheOf(block),
  };
}

interface Cacheable {
  readonly cache_control?: { readonly ttl?: CacheTtl | undefined } | null | undefined;
}

function cacheOf({ cache_control: mark }: Cacheable): { readonly cache?: CacheTtl } {
  return mark == null ? {} : { cache: mark.ttl ?? '5m' };
}

function toolOf(tool: NonNullable<MessagesRequest['tools']>[number], index: number): Tool {
  if (!('input_schema' in tool))
    throw inexpressible(`tools.${index}.type`, 'tools that Anthropic defines');
  const { name, description, input_schema: schema, strict } = tool;
  return {
    name,
    description,
    schema,
    ...(strict === undefined ? {} : { strict }),
    ...cacheOf(tool),
  };
}

function choiceOf(choice: NonNullable<MessagesRequest['tool_choice']>): ToolChoice {
  switch (choice.type) {
    case 'auto':
      return { kind: 'auto' };
    case 'none':
      return { kind: 'none' };
    case 'any':
      return { kind: 'required' };
    case 'tool':
      return { kind: 'tool', name: choice.name };
  }
}

/** An effort says more than that thinking adapts to it. */
function thinkingOf({ thinking, output_config }: MessagesRequest): Thinking | undefined {
  const effort = output_config?.effort ?? undefined;
  switch (thinking?.type) {
    case 'enabled':
      return { kind: 'budget', tokens: thinking.budget_tokens };
    case 'disabled':
      return { kind: 'off' };
    case 'adaptive':
      return effort === undefined ? { kind: 'adaptive' } : { kind: 'effort', effort };
    case 'between_tools':
    case undefined:
      return effort === undefined ? undefined : { kind: 'effort', effort };
  }
}

function inexpressible(param: string, what: string): GatewayError {
  const message = `Invalid value for '${param}': this model cannot be given ${what}.`;
  return new GatewayError('invalid_request', message, { param });
}
