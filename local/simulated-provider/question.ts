/** What the model is asked, in no dialect's words. Every dialect reads its body into one of these; answer.ts answers it. */
import { z } from 'zod';
import type { JsonSchema } from './example-of-schema.ts';

export interface OfferedTool {
  readonly name: string;
  readonly schema: JsonSchema;
}

/** A place up to which the caller wants the prompt kept. */
export interface CacheMark {
  readonly ttl: '5m' | '1h';
  /** Everything up to here, as text. */
  readonly prefix: string;
  readonly tokens: number;
}

export interface Question {
  /** With its knobs. */
  readonly model: string;
  /** Text of the last message; it is what is answered, and may hold knobs. */
  readonly lastText: string;
  readonly lastImages: number;
  /** The last word is the user's, so a tool may be called. */
  readonly mayCallTools: boolean;
  readonly promptTokens: number;
  readonly cacheMarks: readonly CacheMark[];
  readonly maxTokens: number | undefined;
  readonly choices: number;
  readonly stop: readonly string[];
  readonly tools: readonly OfferedTool[];
  readonly toolChoice: 'auto' | 'none' | 'required' | { readonly name: string };
  readonly parallel: boolean;
  readonly output: 'text' | 'json' | { readonly schema: JsonSchema };
  /** The caller wants the model to think before it speaks. */
  readonly thinks: boolean;
}

/** Tokens of a picture, whatever its size. */
export const IMAGE_TOKENS = 300;
const MESSAGE_TOKENS = 4;

/**
 * Tokens of the prompt by a fixed rule, the same in every dialect: a quarter of the UTF-8 bytes of every message
 * and of the tools, and four for each message. Pictures aside, never more than the bytes of the request's body.
 */
export function countTokens(messages: readonly string[], tools: readonly unknown[] = []): number {
  const ofTools = tools.length > 0 ? quarter(JSON.stringify(tools)) : 0;
  return messages.reduce((sum, text) => sum + MESSAGE_TOKENS + quarter(text), ofTools);
}

function quarter(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 4);
}

/** What is wrong with a request, by the name of its field where there is one. */
export interface Invalid {
  readonly kind: 'invalid';
  readonly message: string;
  readonly param: string | null;
}

export function invalid(message: string, param: string | null = null): Invalid {
  return { kind: 'invalid', message, param };
}

export function parseBody<Schema extends z.ZodType>(
  body: string,
  schema: Schema,
): Invalid | { readonly kind: 'ok'; readonly value: z.infer<Schema> } {
  const json = parseJson(body);
  if (json === undefined) return invalid('We could not parse the JSON body of your request.');
  const parsed = schema.safeParse(json.value);
  if (parsed.success) return { kind: 'ok', value: parsed.data };
  const [issue] = parsed.error.issues;
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const path = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])];
  const param = path.map(String).join('.') || null;
  return unknown === undefined
    ? invalid(`Invalid value for '${param}': ${issue?.message}`, param)
    : invalid(`Unknown parameter: '${param}'.`, param);
}

function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The tool calls and results of one turn, by the ids of the calls. */
export interface ToolTurn {
  readonly calls: readonly string[];
  readonly results: readonly string[];
}

/** Every call is answered in the very next turn, and nothing else is; undefined when that is so. */
export function unpaired(turns: readonly ToolTurn[]): string | undefined {
  let open: readonly string[] = [];
  for (const [index, { calls, results }] of turns.entries()) {
    const stray = results.find((id) => !open.includes(id));
    if (stray !== undefined) {
      return `messages.${index}: the tool result ${stray} has no tool call in the message before.`;
    }
    const missing = open.find((id) => !results.includes(id));
    if (missing !== undefined) {
      return `messages.${index}: the tool call ${missing} is not followed by its result.`;
    }
    if (new Set(results).size < results.length) {
      return `messages.${index}: a tool call has more than one result.`;
    }
    open = calls;
  }
  return open.length > 0 ? `the tool call ${open[0]} is not followed by its result.` : undefined;
}

/** Arguments of a tool call are the JSON text of an object. */
export function isObjectText(text: string): boolean {
  return z.record(z.string(), z.unknown()).safeParse(parseJson(text)?.value).success;
}
