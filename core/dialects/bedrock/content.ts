/** Turns of a conversation as Converse's messages: roles alternate, the user begins, no block is blank. */
import { createHash } from 'node:crypto';
import { inexpressible } from '../compatibility.ts';
import type {
  CacheTtl,
  ImagePart,
  Part,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  Turn,
} from '../conversation.ts';
import { type Draft, drop } from './draft.ts';
import type { ModelRules } from './model-rules.ts';

/** One key, which says its kind. Source: Amazon Bedrock API reference, "ContentBlock". */
export type Block = Readonly<Record<string, unknown>>;

interface Message {
  readonly role: Turn['role'];
  readonly content: Block[];
}

const IMAGE_FORMATS: Readonly<Record<string, string>> = {
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'image/jpg': 'jpeg',
  'image/gif': 'gif',
  'image/webp': 'webp',
};

const TOOL_ID = /^[a-zA-Z0-9_-]{1,64}$/;
/** Mistral's own rule, which Bedrock does not soften. */
const MISTRAL_TOOL_ID = /^[a-zA-Z0-9]{9}$/;

/** Throws GatewayError `invalid_request` for what no message of Converse can hold. */
export function messagesOf(turns: readonly Turn[], draft: Draft): readonly Message[] {
  const messages: Message[] = [];
  for (const { role, parts } of turns) {
    const content = parts.flatMap((part) => blocksOf(part, role, draft));
    const last = messages.at(-1);
    if (content.length === 0) continue;
    if (last?.role === role) last.content.push(...content);
    else messages.push({ role, content });
  }
  if (messages[0]?.role !== 'user')
    throw inexpressible('messages', 'the first message must be from the user and say something');
  return messages.map(({ role, content }) => ({ role, content: resultsFirst(content) }));
}

/** Text that is cached up to here, where the place allows it. */
export function textBlocks({ text, cache }: TextPart, draft: Draft): Block[] {
  if (text.trim() === '') return [];
  return [{ text }, ...cachePoints(cache, draft)];
}

export function cachePoints(
  ttl: CacheTtl | undefined,
  draft: Draft,
  place: 'content' | 'tools' = 'content',
): Block[] {
  if (ttl === undefined) return [];
  const { cachePoints: allowed, family } = draft.rules;
  if (allowed === 'nowhere' || (allowed === 'not-in-tools' && place === 'tools')) {
    drop(draft, 'cache_control');
    return [];
  }
  const lasts = ttl === '1h' && family === 'claude' ? { ttl } : {};
  return [{ cachePoint: { type: 'default', ...lasts } }];
}

function blocksOf(part: Part, role: Turn['role'], draft: Draft): Block[] {
  switch (part.kind) {
    case 'text':
      return textBlocks(part, draft);
    case 'refusal':
      return textBlocks({ kind: 'text', text: part.text }, draft);
    case 'image':
      requireRole(role, 'user');
      return [imageBlock(part), ...cachePoints(part.cache, draft)];
    case 'tool-call':
      requireRole(role, 'assistant');
      return [toolUse(part, draft.rules), ...cachePoints(part.cache, draft)];
    case 'tool-result':
      requireRole(role, 'user');
      return [toolResult(part, draft), ...cachePoints(cacheOf(part), draft)];
    case 'thinking':
      return thinkingBlocks(part, draft);
    case 'redacted-thinking':
      return [{ reasoningContent: { redactedContent: part.data } }];
  }
}

function requireRole(role: Turn['role'], wanted: Turn['role']): void {
  if (role !== wanted)
    throw inexpressible('messages', `this kind of content cannot come from the ${role}`);
}

function imageBlock({ source }: ImagePart): Block {
  if (source.kind === 'url')
    throw inexpressible('messages', 'images must be sent as data; this model fetches no address');
  const format = IMAGE_FORMATS[source.mediaType];
  if (format === undefined)
    throw inexpressible('messages', 'images must be PNG, JPEG, GIF or WebP for this model');
  return { image: { format, source: { bytes: source.data } } };
}

function toolUse({ id, name, arguments: text }: ToolCallPart, rules: ModelRules): Block {
  return { toolUse: { toolUseId: toolId(id, rules), name, input: parsedArguments(text) } };
}

function parsedArguments(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed;
  } catch {
    // Said below; the parser's own message would quote the text.
  }
  throw inexpressible(
    'messages',
    'the arguments of a tool call must be the JSON text of an object',
  );
}

function toolResult({ callId, content, isError }: ToolResultPart, draft: Draft): Block {
  const { family } = draft.rules;
  const knowsStatus = family === 'claude' || family === 'nova';
  if (isError && !knowsStatus) drop(draft, 'messages.content.is_error');
  return {
    toolResult: {
      toolUseId: toolId(callId, draft.rules),
      content: content.flatMap((part): Block[] => {
        if (part.kind === 'image') return [imageBlock(part)];
        return part.text.trim() === '' ? [] : [{ text: part.text }];
      }),
      ...(isError && knowsStatus ? { status: 'error' } : {}),
    },
  };
}

/** Within a result there is no place for a mark; the end of the result is the next one. */
function cacheOf({ cache, content }: ToolResultPart): CacheTtl | undefined {
  return cache ?? content.findLast((part) => part.cache !== undefined)?.cache;
}

/** Models take back only what they signed: anything else is no thought of theirs. */
function thinkingBlocks(
  { text, signature }: Extract<Part, { kind: 'thinking' }>,
  draft: Draft,
): Block[] {
  if (signature !== undefined)
    return [{ reasoningContent: { reasoningText: { text, signature } } }];
  drop(draft, 'messages.content.thinking');
  return [];
}

/** The same id for a call and its result, in the letters that the model's servers take. */
function toolId(id: string, { family }: ModelRules): string {
  if ((family === 'mistral' ? MISTRAL_TOOL_ID : TOOL_ID).test(id)) return id;
  const digest = createHash('sha256').update(id).digest('hex');
  return family === 'mistral' ? digest.slice(0, 9) : `tool_${digest.slice(0, 40)}`;
}

/** Claude wants the results of its calls before anything else that the user says; their order stays. */
function resultsFirst(content: readonly Block[]): Block[] {
  const end = content.findLastIndex((block) => 'toolResult' in block) + 1;
  const isOfResult = (block: Block, index: number) =>
    'toolResult' in block || ('cachePoint' in block && 'toolResult' in (content[index - 1] ?? {}));
  const head = content.slice(0, end);
  return [
    ...head.filter((block, index) => isOfResult(block, index)),
    ...head.filter((block, index) => !isOfResult(block, index)),
    ...content.slice(end),
  ];
}
