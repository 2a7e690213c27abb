/**
 * The usage of a Responses API answer, normalised: as chat completions under other names, and with the
 * web searches that the answer's output items show. Source: OpenAI API reference, "ResponseUsage".
 */
import * as z from 'zod/mini';
import { lenient, orElse, reportedCount, reportedText } from '../../usage/counts.ts';
import type { TokenUsage } from '../../usage/tokens.ts';
import { parseOpenAiUsage } from './usage.ts';

const usageSchema = z.looseObject({
  input_tokens: reportedCount,
  output_tokens: reportedCount,
  total_tokens: reportedCount,
  input_tokens_details: lenient(z.looseObject({})),
  output_tokens_details: lenient(z.looseObject({})),
});

const itemSchema = z.looseObject({
  type: reportedText,
  action: lenient(z.looseObject({ type: reportedText })),
});

const responseSchema = z.looseObject({
  usage: lenient(usageSchema),
  service_tier: z.optional(z.unknown()),
  output: lenient(z.array(orElse(itemSchema, {}))),
});

/** From the whole response object, as `response.completed` carries it. */
export function parseResponsesUsage(response: unknown): TokenUsage | undefined {
  const parsed = responseSchema.safeParse(response);
  if (!parsed.success || parsed.data.usage === undefined) return undefined;
  const { usage, service_tier, output } = parsed.data;
  const asChat = parseOpenAiUsage(
    {
      ...usage,
      prompt_tokens: usage.input_tokens,
      completion_tokens: usage.output_tokens,
      prompt_tokens_details: usage.input_tokens_details,
      completion_tokens_details: usage.output_tokens_details,
    },
    service_tier,
  );
  if (asChat === undefined) return undefined;
  return { ...asChat, toolCalls: { web_search: webSearches(output ?? []) }, raw: usage };
}

/** Opening a page and finding in it are not billed; a call that does not say what it did counts as a search. */
function webSearches(items: readonly z.infer<typeof itemSchema>[]): number {
  return items.filter(
    ({ type, action }) =>
      type === 'web_search_call' && (action?.type === undefined || action.type === 'search'),
  ).length;
}
