import { type JsonSchema, jsonSchemaSchema } from '../example-of-schema.ts';
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
  type ConverseBlock,
  type ConverseRequest,
  converseRequestSchema,
} from './converse-request.ts';

export interface ReadConverse {
  readonly kind: 'ok';
  readonly question: Question;
}

export function readConverse(body: string, model: string): Invalid | ReadConverse {
  const parsed = parseBody(body, converseRequestSchema);
  if (parsed.kind === 'invalid') return parsed;
  const wrong = wrongTurns(parsed.value) ?? wrongTools(parsed.value) ?? wrongThinking(parsed.value);
  if (wrong !== undefined) return invalid(wrong);
  const schema = outputSchema(parsed.value);
  if (schema === 'broken') return invalid('The JSON schema of outputConfig cannot be read.');
  return { kind: 'ok', question: questionOf(parsed.value, model, schema) };
}

function questionOf(
  request: ConverseRequest,
  model: string,
  schema: JsonSchema | undefined,
): Question {
  const { messages, system = [], toolConfig, inferenceConfig } = request;
  const more = request.additionalModelRequestFields;
  const last = messages.at(-1)?.content ?? [];
  const blocks = messages.flatMap(({ content }) => content);
  const instructions = system.map((part) => ('text' in part ? part.text : '')).join('');
  const texts = messages.map(({ content }) => content.map(textOf).join(''));
  const tools = (toolConfig?.tools ?? []).flatMap((tool) =>
    'toolSpec' in tool ? [tool.toolSpec] : [],
  );
  const images = blocks.reduce((sum, block) => sum + imagesOf(block), 0);
  return {
    model,
    lastText: last.map(textOf).join(''),
    lastImages: last.reduce((sum, block) => sum + imagesOf(block), 0),
    mayCallTools: !last.some((block) => 'toolResult' in block),
    promptTokens:
      images * IMAGE_TOKENS +
      countTokens(instructions === '' ? texts : [instructions, ...texts], tools),
    cacheMarks: cacheMarks(request, model),
    maxTokens: inferenceConfig?.maxTokens,
    choices: 1,
    stop: inferenceConfig?.stopSequences ?? [],
    tools: tools.map(({ name, inputSchema }) => ({ name, schema: inputSchema.json })),
    toolChoice: toolChoiceOf(toolConfig?.toolChoice),
    parallel: more?.tool_choice?.disable_parallel_tool_use !== true,
    output: schema === undefined ? 'text' : { schema },
    thinks: more?.thinking !== undefined && more.thinking.type !== 'disabled',
  };
}

function toolChoiceOf(
  choice: NonNullable<ConverseRequest['toolConfig']>['toolChoice'],
): Question['toolChoice'] {
  if (choice === undefined || 'auto' in choice) return 'auto';
  return 'any' in choice ? 'required' : choice.tool;
}

function outputSchema({ outputConfig }: ConverseRequest): JsonSchema | 'broken' | undefined {
  const text = outputConfig?.textFormat?.structure.jsonSchema.schema;
  if (text === undefined) return undefined;
  const parsed = parseBody(text, jsonSchemaSchema);
  return parsed.kind === 'ok' ? parsed.value : 'broken';
}

/** A cache point keeps all that stands before it: tools, then system, then messages. */
function cacheMarks(request: ConverseRequest, model: string): readonly CacheMark[] {
  const blocks: readonly object[] = [
    ...(request.toolConfig?.tools ?? []),
    ...(request.system ?? []),
    ...request.messages.flatMap(({ content }) => content),
  ];
  let prefix = model.split('+', 1).join('');
  let tokens = 0;
  return blocks.flatMap((block): readonly CacheMark[] => {
    if ('cachePoint' in block) return [{ prefix, tokens, ttl: ttlOf(block.cachePoint) }];
    const text = 'text' in block ? String(block.text) : JSON.stringify(block);
    prefix += text;
    tokens += Math.floor(Buffer.byteLength(text) / 4);
    return [];
  });
}

function ttlOf(point: unknown): CacheMark['ttl'] {
  const isHour =
    typeof point === 'object' && point !== null && 'ttl' in point && point.ttl === '1h';
  return isHour ? '1h' : '5m';
}

function textOf(block: ConverseBlock): string {
  if ('text' in block) return block.text;
  if (!('toolResult' in block)) return '';
  return block.toolResult.content
    .map((part) => ('text' in part ? part.text : 'json' in part ? JSON.stringify(part.json) : ''))
    .join('');
}

function imagesOf(block: ConverseBlock): number {
  if ('image' in block) return 1;
  if (!('toolResult' in block)) return 0;
  return block.toolResult.content.filter((part) => 'image' in part).length;
}

function wrongTurns({ messages }: ConverseRequest): string | undefined {
  if (messages[0]?.role !== 'user') {
    return 'A conversation must start with a user message. Try again with a conversation that starts with a user message.';
  }
  if (messages.some(({ role }, index) => role === messages[index - 1]?.role)) {
    return 'A conversation must alternate between user and assistant roles.';
  }
  for (const [index, { role, content }] of messages.entries()) {
    const onlyOther = role === 'user' ? ['toolUse', 'reasoningContent'] : ['toolResult', 'image'];
    const wrong = content
      .flatMap((block) => Object.keys(block))
      .find((key) => onlyOther.includes(key));
    if (wrong !== undefined) return `messages.${index}: ${role} messages cannot hold ${wrong}.`;
    if (content.some(isForged)) return `messages.${index}: Invalid signature in thinking block.`;
  }
  return unpaired(
    messages.map(({ content }) => ({
      calls: content.flatMap((block) => ('toolUse' in block ? [block.toolUse.toolUseId] : [])),
      results: content.flatMap((block) =>
        'toolResult' in block ? [block.toolResult.toolUseId] : [],
      ),
    })),
  );
}

function isForged(block: ConverseBlock): boolean {
  if (!('reasoningContent' in block) || !('reasoningText' in block.reasoningContent)) return false;
  const { text, signature = '' } = block.reasoningContent.reasoningText;
  return !isSignatureOf(signature, text);
}

function wrongTools({ messages, toolConfig }: ConverseRequest): string | undefined {
  const used = messages.some(({ content }) =>
    content.some((block) => 'toolUse' in block || 'toolResult' in block),
  );
  return used && toolConfig === undefined
    ? 'The toolConfig field must be defined when using toolUse and toolResult content blocks.'
    : undefined;
}

function wrongThinking(request: ConverseRequest): string | undefined {
  const thinking = request.additionalModelRequestFields?.thinking;
  const { maxTokens = Number.POSITIVE_INFINITY, temperature = 1 } = request.inferenceConfig ?? {};
  if (thinking === undefined || thinking.type === 'disabled') return undefined;
  if (thinking.type === 'enabled' && thinking.budget_tokens >= maxTokens) {
    return '`max_tokens` must be greater than `thinking.budget_tokens`.';
  }
  if (temperature !== 1) return '`temperature` may only be set to 1 when thinking is enabled.';
  const choice = request.toolConfig?.toolChoice;
  return choice !== undefined && !('auto' in choice)
    ? 'Thinking may not be enabled when tool_choice forces tool use.'
    : undefined;
}
