import {
  type CacheMark,
  countTokens,
  IMAGE_TOKENS,
  type Invalid,
  invalid,
  parseBody,
  type Question,
  unpaired,
} from '../question.ts';
import { isSignatureOf } from '../wire.ts';
import {
  blocksOf,
  type ContentBlock,
  type CountRequest,
  countRequestSchema,
  type MessagesRequest,
  messagesRequestSchema,
} from './messages-request.ts';

export interface ReadMessages {
  readonly kind: 'ok';
  readonly question: Question;
  readonly stream: boolean;
}

export function readMessages(body: string): Invalid | ReadMessages {
  const parsed = parseBody(body, messagesRequestSchema);
  if (parsed.kind === 'invalid') return parsed;
  const request = parsed.value;
  const wrong = wrongTurns(request) ?? wrongThinking(request);
  if (wrong !== undefined) return invalid(wrong);
  return { kind: 'ok', question: questionOf(request), stream: request.stream ?? false };
}

export function readCount(body: string): Invalid | ReadMessages {
  const parsed = parseBody(body, countRequestSchema);
  if (parsed.kind === 'invalid') return parsed;
  const wrong = wrongTurns(parsed.value);
  if (wrong !== undefined) return invalid(wrong);
  return { kind: 'ok', question: questionOf({ ...parsed.value, max_tokens: 1 }), stream: false };
}

function questionOf(request: MessagesRequest): Question {
  const { tool_choice: choice, tools = [], output_config: config } = request;
  const { texts, images } = heard(request);
  const last = blocksOf(request.messages.at(-1)?.content ?? []);
  const format = config?.format ?? request.output_format;
  return {
    model: request.model,
    lastText: last.map(textOf).join(''),
    lastImages: last.reduce((sum, block) => sum + imagesOf(block), 0),
    mayCallTools: !last.some(({ type }) => type === 'tool_result'),
    promptTokens: images * IMAGE_TOKENS + countTokens(texts, tools),
    cacheMarks: cacheMarks(request),
    maxTokens: request.max_tokens,
    choices: 1,
    stop: request.stop_sequences ?? [],
    tools: tools.map(({ name, input_schema: schema }) => ({ name, schema })),
    toolChoice: toolChoiceOf(choice),
    parallel: !(
      choice !== undefined &&
      'disable_parallel_tool_use' in choice &&
      choice.disable_parallel_tool_use === true
    ),
    output: format == null ? 'text' : { schema: format.schema },
    thinks: request.thinking !== undefined && request.thinking.type !== 'disabled',
  };
}

function toolChoiceOf(choice: MessagesRequest['tool_choice']): Question['toolChoice'] {
  switch (choice?.type) {
    case undefined:
    case 'auto':
      return 'auto';
    case 'none':
      return 'none';
    case 'any':
      return 'required';
    case 'tool':
      return { name: choice.name };
  }
}

/** Everything that the model hears, message by message. */
function heard({ system, messages }: CountRequest) {
  const said = messages.map(({ content }) => blocksOf(content));
  const instructions = systemText(system);
  return {
    texts: [
      ...(instructions === '' ? [] : [instructions]),
      ...said.map((blocks) => blocks.map(textOf).join('')),
    ],
    images: said.flat().reduce((sum, block) => sum + imagesOf(block), 0),
  };
}

function systemText(system: CountRequest['system']): string {
  return typeof system === 'string' ? system : (system ?? []).map(({ text }) => text).join('');
}

/** Tools, then system, then messages: in this order the prompt is kept. */
function cacheMarks({ system, tools = [], messages, model }: CountRequest): readonly CacheMark[] {
  const blocks: readonly { readonly text: string; readonly ttl: '5m' | '1h' | undefined }[] = [
    ...tools.map((tool) => ({ text: JSON.stringify(tool), ttl: ttlOf(tool) })),
    ...(Array.isArray(system) ? system : []).map((part) => ({ text: part.text, ttl: ttlOf(part) })),
    ...messages
      .flatMap(({ content }) => blocksOf(content))
      .map((block) => ({
        text: textOf(block),
        ttl: 'cache_control' in block ? ttlOf(block) : undefined,
      })),
  ];
  let prefix = model.split('+', 1).join('');
  let tokens = 0;
  return blocks.flatMap(({ text, ttl }) => {
    prefix += text;
    tokens += Math.floor(Buffer.byteLength(text) / 4);
    return ttl === undefined ? [] : [{ prefix, tokens, ttl }];
  });
}

function ttlOf(block: {
  readonly cache_control?: { readonly ttl?: '5m' | '1h' | undefined } | null | undefined;
}) {
  return block.cache_control == null ? undefined : (block.cache_control.ttl ?? '5m');
}

function textOf(block: ContentBlock): string {
  switch (block.type) {
    case 'text':
      return block.text;
    case 'tool_result':
      return typeof block.content === 'string'
        ? block.content
        : (block.content ?? []).map(textOf).join('');
    case 'thinking':
    case 'redacted_thinking':
    case 'tool_use':
    case 'image':
      return '';
  }
}

function imagesOf(block: ContentBlock): number {
  if (block.type === 'image') return 1;
  if (block.type !== 'tool_result' || !Array.isArray(block.content)) return 0;
  return block.content.filter(({ type }) => type === 'image').length;
}

function wrongTurns({ messages }: CountRequest): string | undefined {
  const turns = messages.map(({ role, content }) => ({ role, blocks: blocksOf(content) }));
  if (turns[0]?.role !== 'user') return 'messages: first message must use the "user" role';
  const next = turns.findIndex(({ role }, index) => role === turns[index - 1]?.role);
  if (next >= 0) return `messages.${next}: roles must alternate between "user" and "assistant"`;
  for (const [index, { role, blocks }] of turns.entries()) {
    const wrong = blocks.find(({ type }) => !TYPES_OF_ROLE[role].includes(type));
    if (wrong !== undefined) return `messages.${index}: ${role} messages cannot hold ${wrong.type}`;
    const results = blocks.map(({ type }) => type === 'tool_result');
    if (results.lastIndexOf(true) >= results.filter(Boolean).length) {
      return `messages.${index}: tool_result blocks must come first`;
    }
    const forged = blocks.some(
      (block) => block.type === 'thinking' && !isSignatureOf(block.signature, block.thinking),
    );
    if (forged) return `messages.${index}: invalid \`signature\` in \`thinking\` block`;
  }
  const last = turns.at(-1)?.blocks.at(-1);
  if (turns.at(-1)?.role === 'assistant' && last?.type === 'text' && /\s$/.test(last.text)) {
    return 'messages: final assistant content cannot end with trailing whitespace';
  }
  return unpaired(
    turns.map(({ blocks }) => ({
      calls: blocks.flatMap((block) => (block.type === 'tool_use' ? [block.id] : [])),
      results: blocks.flatMap((block) => (block.type === 'tool_result' ? [block.tool_use_id] : [])),
    })),
  );
}

const TYPES_OF_ROLE: Readonly<Record<'user' | 'assistant', readonly ContentBlock['type'][]>> = {
  user: ['text', 'image', 'tool_result'],
  assistant: ['text', 'tool_use', 'thinking', 'redacted_thinking'],
};

function wrongThinking(request: MessagesRequest): string | undefined {
  const { thinking, max_tokens: max, temperature, top_k: topK, tool_choice: choice } = request;
  if (thinking?.type === 'enabled' && thinking.budget_tokens >= max) {
    return '`max_tokens` must be greater than `thinking.budget_tokens`';
  }
  if (thinking === undefined || thinking.type === 'disabled') return undefined;
  if (temperature !== undefined && temperature !== 1) {
    return '`temperature` may only be set to 1 when thinking is enabled';
  }
  if (topK !== undefined) return '`top_k` must be unset when thinking is enabled';
  if (choice?.type === 'any' || choice?.type === 'tool') {
    return 'Thinking may not be enabled when tool_choice forces tool use.';
  }
  return undefined;
}
