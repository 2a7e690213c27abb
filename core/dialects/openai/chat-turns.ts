/** The messages of a chat request as turns of a conversation, and what of them gets lost on the way. */
import type { CacheTtl, ImagePart, Part, TextPart, ToolCallPart, Turn } from '../conversation.ts';
import {
  type AssistantMessage,
  type ContentPart,
  checked,
  contentParts,
  invalidAt,
  messageSchemas,
} from './chat-message-schemas.ts';
import type { ChatRequestBody } from './chat-request.ts';
import { parseRecord } from './record.ts';

export interface ChatTurns {
  readonly system: readonly TextPart[];
  readonly turns: readonly Turn[];
  /** Fields of messages that no other dialect has, by their path without positions. */
  readonly lost: Set<string>;
}

type Path = readonly (string | number)[];

/** Throws GatewayError `invalid_request` that names the field. */
export function chatTurns(messages: ChatRequestBody['messages']): ChatTurns {
  const system: TextPart[] = [];
  const turns: { role: Turn['role']; parts: Part[] }[] = [];
  const lost = new Set<string>();
  let legacyCalls = 0;

  function say(role: Turn['role'], parts: readonly Part[]): void {
    if (parts.length === 0) return;
    const last = turns.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else turns.push({ role, parts: [...parts] });
  }

  /** Later instructions stay where they are, because their place is part of what they mean; only the role gets lost. */
  function instruct(parts: readonly TextPart[]): void {
    if (turns.length === 0) system.push(...parts);
    else {
      say('user', parts);
      lost.add('messages.role');
    }
  }

  function read(message: ChatRequestBody['messages'][number], path: Path): void {
    const at = [...path, 'content'];
    switch (message.role) {
      case 'system':
      case 'developer': {
        const { content, name } = checked(messageSchemas.instructions, message, path);
        instruct(contentParts(content, at).map((part) => textOf(part, at)));
        if (name != null) lost.add('messages.name');
        break;
      }
      case 'user': {
        const { content, name } = checked(messageSchemas.user, message, path);
        const parts = contentParts(content, at);
        say(
          'user',
          parts.map((part) => seen(part, at)),
        );
        if (name != null) lost.add('messages.name');
        if (parts.some(hasDetail)) lost.add('messages.content.image_url.detail');
        break;
      }
      case 'assistant': {
        const assistant = checked(messageSchemas.assistant, message, path);
        if (assistant.function_call != null) legacyCalls += 1;
        if (assistant.name != null) lost.add('messages.name');
        say('assistant', answered(assistant, { path, legacyId: legacyId(legacyCalls) }));
        break;
      }
      case 'tool': {
        const { content, tool_call_id: callId } = checked(messageSchemas.tool, message, path);
        say('user', [result(callId, contentParts(content, at), at)]);
        break;
      }
      case 'function': {
        const { content } = checked(messageSchemas.function, message, path);
        say('user', [result(legacyId(legacyCalls), contentParts(content, at), at)]);
      }
    }
  }

  for (const [index, message] of messages.entries()) read(message, ['messages', index]);
  return { system, turns, lost };
}

/** Calls of functions have no ids: a result belongs to the call before it. */
function legacyId(count: number): string {
  return `call_function_${count}`;
}

function answered(
  message: AssistantMessage,
  { path, legacyId }: { path: Path; legacyId: string },
): Part[] {
  const { content, refusal, tool_calls, function_call } = message;
  const thinking = message.reasoning_content ?? message.reasoning;
  const at = [...path, 'content'];
  const parts: Part[] = [];
  if (thinking) parts.push({ kind: 'thinking', text: thinking, signature: undefined });
  for (const part of contentParts(content, at))
    parts.push(
      part.type === 'refusal' ? { kind: 'refusal', text: part.refusal } : textOf(part, at),
    );
  if (refusal) parts.push({ kind: 'refusal', text: refusal });
  for (const [index, call] of (tool_calls ?? []).entries())
    parts.push(
      toolCall({ id: call.id, ...call.function }, [...path, 'tool_calls', index, 'function']),
    );
  if (function_call != null)
    parts.push(toolCall({ id: legacyId, ...function_call }, [...path, 'function_call']));
  return parts;
}

function toolCall(
  { id, name, arguments: json }: { id: string; name: string; arguments: string },
  path: Path,
): ToolCallPart {
  const text = json.trim() === '' ? '{}' : json;
  if (parseRecord(text) === undefined)
    throw invalidAt([...path, 'arguments'], 'must be the JSON text of an object');
  return { kind: 'tool-call', id, name, arguments: text };
}

function result(callId: string, parts: readonly ContentPart[], at: Path): Part {
  return {
    kind: 'tool-result',
    callId,
    content: parts.map((part) => seen(part, at)),
    isError: false,
  };
}

function textOf(part: ContentPart, at: Path): TextPart {
  const text = seen(part, at);
  if (text.kind !== 'text') throw invalidAt(at, 'only texts may stand here');
  return text;
}

function hasDetail(part: ContentPart): boolean {
  return part.type === 'image_url' && (part.image_url.detail ?? 'auto') !== 'auto';
}

function seen(part: ContentPart, at: Path): TextPart | ImagePart {
  switch (part.type) {
    case 'text':
      return { kind: 'text', text: part.text, ...cacheOf(part) };
    case 'image_url':
      return { kind: 'image', source: imageSource(part.image_url.url, at), ...cacheOf(part) };
    case 'refusal':
      throw invalidAt(at, 'only an assistant refuses');
  }
}

function cacheOf(part: Exclude<ContentPart, { type: 'refusal' }>): { cache?: CacheTtl } {
  if (part.cache_control != null) return { cache: part.cache_control.ttl ?? '5m' };
  return part.prompt_cache_breakpoint == null ? {} : { cache: '5m' };
}

const DATA_URL = /^data:([a-z0-9.+/-]+);base64,/i;

function imageSource(url: string, at: Path): ImagePart['source'] {
  const data = DATA_URL.exec(url);
  if (data?.[1] !== undefined)
    return { kind: 'base64', mediaType: data[1].toLowerCase(), data: url.slice(data[0].length) };
  if (/^https?:\/\//i.test(url)) return { kind: 'url', url };
  throw invalidAt([...at, 'image_url', 'url'], 'must be an http(s) URL or a data URL in base64');
}
