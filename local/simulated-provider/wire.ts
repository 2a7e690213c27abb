/** OpenAI's chat completion wire format, as observed on api.openai.com; values that nobody reads are constant. */
import type { Answer, Choice } from './answer.ts';

export interface Call {
  readonly id: string;
  readonly model: string;
  /** Epoch seconds. */
  readonly created: number;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

/** One event of a healthy stream, and what it is, so that a fault can find its place. */
export interface StreamChunk {
  readonly label: 'role' | 'content' | 'finish' | 'usage';
  readonly body: Readonly<Record<string, unknown>>;
  /** Output tokens that this event brings, reasoning included. */
  readonly tokens: number;
}

const SYSTEM_FINGERPRINT = 'fp_51m01a7ed0';

function usageOf({ choices, promptTokens, cachedTokens }: Answer) {
  const reasoning = sum(choices.map((choice) => choice.reasoningTokens));
  return usage(promptTokens, cachedTokens, tokensOf({ choices }), reasoning);
}

export function tokensOf({ choices }: Pick<Answer, 'choices'>): number {
  return sum(choices.map((choice) => choice.pieces.length + choice.reasoningTokens));
}

export function usage(prompt: number, cached: number, completion: number, reasoning: number) {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

export function completionBody(call: Call, answer: Answer) {
  return {
    ...envelope(call, 'chat.completion'),
    choices: answer.choices.map((choice, index) => ({
      index,
      message: { role: 'assistant', ...wholeMessage(call, choice, index), refusal: null },
      logprobs: null,
      finish_reason: choice.finishReason,
    })),
    usage: usageOf(answer),
  };
}

/** The events of a healthy stream, `[DONE]` excepted. `chunks`: into how many events a choice's pieces go. */
export function* streamChunks(
  call: Call,
  answer: Answer,
  chunks: number | undefined,
): Generator<StreamChunk> {
  const shared = envelope(call, 'chat.completion.chunk');
  const usageField = call.includeUsage ? { usage: null } : {};
  const chunk = (index: number, delta: object, finishReason: string | null = null) => ({
    ...shared,
    choices: [{ index, delta, logprobs: null, finish_reason: finishReason }],
    ...usageField,
  });
  for (const [index, choice] of answer.choices.entries()) {
    yield { label: 'role', body: chunk(index, openingDelta(call, choice, index)), tokens: 0 };
    let tokens = choice.reasoningTokens;
    for (const pieces of grouped(choice.pieces, chunks)) {
      tokens += pieces.length;
      const body = chunk(index, contentDelta(choice, pieces.join('')));
      yield { label: 'content', body, tokens };
      tokens = 0;
    }
    yield { label: 'finish', body: chunk(index, {}, choice.finishReason), tokens };
  }
  if (!call.includeUsage) return;
  yield { label: 'usage', body: { ...shared, choices: [], usage: usageOf(answer) }, tokens: 0 };
}

export interface WireError {
  readonly message: string;
  readonly type: string;
  readonly param?: string | null;
  readonly code?: string | null;
}

export function errorBody({ message, type, param = null, code = null }: WireError): string {
  return JSON.stringify({ error: { message, type, param, code } });
}

function envelope({ id, created, model }: Call, object: string) {
  const constants = { service_tier: 'default', system_fingerprint: SYSTEM_FINGERPRINT };
  return { id, object, created, model, ...constants };
}

function wholeMessage(call: Call, choice: Choice, index: number) {
  const text = choice.pieces.join('');
  if (choice.kind === 'text') return { content: text };
  const called = { name: choice.toolName, arguments: text };
  return {
    content: null,
    tool_calls: [{ id: toolCallId(call, index), type: 'function', function: called }],
  };
}

function openingDelta(call: Call, choice: Choice, index: number) {
  if (choice.kind === 'text') return { role: 'assistant', content: '', refusal: null };
  const called = { name: choice.toolName, arguments: '' };
  const toolCall = { index: 0, id: toolCallId(call, index), type: 'function', function: called };
  return { role: 'assistant', content: null, tool_calls: [toolCall], refusal: null };
}

function contentDelta(choice: Choice, text: string) {
  if (choice.kind === 'text') return { content: text };
  return { tool_calls: [{ index: 0, function: { arguments: text } }] };
}

function toolCallId({ id }: Call, index: number): string {
  return `call_${id.slice(-20)}${index}`;
}

function grouped(pieces: readonly string[], chunks: number | undefined): readonly string[][] {
  const size = Math.max(1, Math.ceil(pieces.length / (chunks ?? pieces.length)));
  return Array.from({ length: Math.ceil(pieces.length / size) }, (_, index) =>
    pieces.slice(index * size, (index + 1) * size),
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
