/**
 * What providers count beyond the bytes of a body, whatever the dialect that it came in: each is at least
 * the largest that any provider a call may be routed to bills, so that a hold is a real bound.
 */

/**
 * An image. OpenAI: at most 10,000 patches in original detail ("Images and vision", patch budgets of 2026).
 * Anthropic: a token is 28 x 28 pixels, and no edge is read at more than 2,576 of them: 92 x 92 ("Vision", 2026).
 */
export const TOKENS_PER_IMAGE = 12_000;

/**
 * The system prompt that Anthropic adds when a call has tools or an output schema. The largest that its
 * documentation names is 804 (Claude Opus 4.7, a forced tool; "Tool use", 2026); structured outputs add a
 * shorter one of their own. Twice that, because new models change it without notice.
 */
export const TOKENS_FOR_TOOLS = 2_000;
