/** A chat request in no dialect's words. What only chat completions can say is refused or dropped by CHAT_LOSSES. */
import * as z from 'zod/mini';
import { GatewayError } from '../../errors.ts';
import type { Conversation, OutputFormat, Tool, ToolChoice } from '../conversation.ts';
import { CHAT_LOSSES, refusalOf } from './chat-losses.ts';
import { checked, invalidAt } from './chat-message-schemas.ts';
import { type ChatRequestBody, unforwarded } from './chat-request.ts';
import { chatTurns } from './chat-turns.ts';

const MAX_STOPS = 256;

const maybeText = z.optional(z.nullable(z.string()));
const maybeFlag = z.optional(z.nullable(z.boolean()));
const jsonSchema = z.record(z.string(), z.unknown());
const functionSchema = z.strictObject({
  name: z.string(),
  description: maybeText,
  parameters: z.optional(z.nullable(jsonSchema)),
  strict: maybeFlag,
});
const toolSchema = z.strictObject({ type: z.literal('function'), function: functionSchema });
const modeSchema = z.enum(['none', 'auto', 'required']);
const named = z.strictObject({ name: z.string() });
const toolChoiceSchema = z.union([
  modeSchema,
  z.strictObject({ type: z.literal('function'), function: named }),
]);
const functionChoiceSchema = z.union([modeSchema, named]);
const formatSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: z.string(),
      description: maybeText,
      schema: z.optional(jsonSchema),
      strict: maybeFlag,
    }),
  }),
]);
const stopSchema = z.union([z.string(), z.array(z.string()).check(z.maxLength(MAX_STOPS))]);
const effortSchema = z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']);

const NO_ARGUMENTS = { type: 'object', properties: {} };

/** Throws GatewayError `invalid_request` that names the field. */
export function chatConversation(body: ChatRequestBody): Conversation {
  const { system, turns, lost } = chatTurns(body.messages);
  const format = formatOf(body.response_format);
  if (format?.description) lost.add('response_format.json_schema.description');
  // A caller of functions reads one call of an answer.
  const parallel = body.functions == null ? body.parallel_tool_calls : false;
  return {
    system,
    turns,
    tools: toolsOf(body),
    stop: stopsOf(body.stop),
    ...optional('toolChoice', toolChoiceOf(body)),
    ...optional('parallelToolCalls', parallel),
    ...optional('output', format?.output),
    ...optional('thinking', thinkingOf(body.reasoning_effort)),
    ...optional('temperature', body.temperature),
    ...optional('topP', body.top_p),
    ...optional('seed', body.seed),
    ...optional('frequencyPenalty', body.frequency_penalty),
    ...optional('presencePenalty', body.presence_penalty),
    others: {},
    leftOut: [...leftOut(body), ...unforwarded(body), ...lost],
  };
}

/** A property that is only there when it has a value. */
function optional<K extends string, T>(name: K, value: T | null | undefined): { [N in K]?: T } {
  const none: { [N in K]?: T } = {};
  return value == null ? none : { ...none, [name]: value };
}

/** Fields that only tune. Throws GatewayError `invalid_request` for one that must not be left out. */
function leftOut(body: ChatRequestBody): string[] {
  const asked: Readonly<Record<string, unknown>> = body;
  return CHAT_LOSSES.flatMap(({ field, outcome, reason }) => {
    const value = asked[field];
    if (value == null || NEUTRAL[field] === value) return [];
    if (outcome === 'drop') return [field];
    throw new GatewayError('invalid_request', refusalOf(field, reason), { param: field });
  });
}

/** Values that say what would be without the field. */
const NEUTRAL: Readonly<Record<string, unknown>> = { n: 1, logprobs: false, top_logprobs: 0 };

function toolsOf({ tools, functions }: ChatRequestBody): Tool[] {
  const modern = (tools ?? []).map(
    (tool, index) => checked(toolSchema, tool, ['tools', index]).function,
  );
  const legacy =
    functions == null ? [] : checked(z.array(functionSchema), functions, ['functions']);
  return [...modern, ...legacy].map(({ name, description, parameters, strict }) => ({
    name,
    description: description ?? undefined,
    schema: parameters ?? NO_ARGUMENTS,
    ...optional('strict', strict),
  }));
}

function toolChoiceOf({ tool_choice, function_call }: ChatRequestBody): ToolChoice | undefined {
  if (tool_choice != null) {
    const choice = checked(toolChoiceSchema, tool_choice, ['tool_choice']);
    return typeof choice === 'string'
      ? { kind: choice }
      : { kind: 'tool', name: choice.function.name };
  }
  if (function_call == null) return undefined;
  const choice = checked(functionChoiceSchema, function_call, ['function_call']);
  return typeof choice === 'string' ? { kind: choice } : { kind: 'tool', name: choice.name };
}

function formatOf(
  raw: unknown,
): { output: OutputFormat; description?: string | null | undefined } | undefined {
  if (raw == null) return undefined;
  const format = checked(formatSchema, raw, ['response_format']);
  if (format.type === 'text') return undefined;
  if (format.type === 'json_object') return { output: { kind: 'json' } };
  const { name, schema, strict, description } = format.json_schema;
  if (schema === undefined)
    throw invalidAt(['response_format', 'json_schema', 'schema'], 'is required');
  return { output: { kind: 'schema', name, schema, ...optional('strict', strict) }, description };
}

function thinkingOf(raw: unknown): Conversation['thinking'] {
  if (raw == null) return undefined;
  const effort = checked(effortSchema, raw, ['reasoning_effort']);
  return effort === 'none' ? { kind: 'off' } : { kind: 'effort', effort };
}

function stopsOf(raw: unknown): readonly string[] {
  if (raw == null) return [];
  const stop = checked(stopSchema, raw, ['stop']);
  return typeof stop === 'string' ? [stop] : stop;
}
