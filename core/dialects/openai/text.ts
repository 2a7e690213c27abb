import { createTokenEstimate } from '../../usage/tokens.ts';

/** Fields of messages and deltas that name things instead of saying them. */
const NAMES = new Set([
  'role',
  'id',
  'type',
  'index',
  'finish_reason',
  'tool_call_id',
  'image_url',
]);

/** Every piece of text in a message, delta or tool definition, whatever its field is called. */
export function forEachText(value: unknown, visit: (text: string) => void): void {
  if (typeof value === 'string') visit(value);
  else if (Array.isArray(value)) for (const item of value) forEachText(item, visit);
  else if (typeof value === 'object' && value !== null) {
    for (const name of Object.keys(value))
      if (!NAMES.has(name)) forEachText(Reflect.get(value, name), visit);
  }
}

/** Estimated tokens of all text in the value; see createTokenEstimate for how good that is. */
export function estimateTextTokens(value: unknown): number {
  const estimate = createTokenEstimate();
  forEachText(value, estimate.add);
  return estimate.tokens();
}
