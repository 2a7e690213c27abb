/**
 * Another provider's thinking as a reasoning item of the Responses dialect. What that provider wants back
 * in the next turn (its text to the letter, its signature) travels in `encrypted_content`, the one field
 * that stateless clients return untouched. It hides nothing from the caller that the answer did not show.
 */
import * as z from 'zod/mini';

const MARK = 'tollgate.1.';

export type CarriedThinking =
  | { readonly kind: 'thinking'; readonly text: string; readonly signature: string | undefined }
  | { readonly kind: 'redacted-thinking'; readonly data: string };

const carriedSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('thinking'),
    text: z.string(),
    signature: z.union([z.string(), z.undefined()]),
  }),
  z.object({ kind: z.literal('redacted-thinking'), data: z.string() }),
]);

export function carry(thinking: CarriedThinking): string {
  return MARK + Buffer.from(JSON.stringify(thinking)).toString('base64url');
}

/** Undefined when the gateway did not make it: the caller may send anything here. */
export function uncarry(encrypted: string | null | undefined): CarriedThinking | undefined {
  if (!encrypted?.startsWith(MARK)) return undefined;
  const text = Buffer.from(encrypted.slice(MARK.length), 'base64url').toString('utf8');
  try {
    const { data } = carriedSchema.safeParse(JSON.parse(text));
    return data;
  } catch {
    return undefined;
  }
}

export function isOwnReasoning(item: { readonly type: string }): boolean {
  if (!('encrypted_content' in item)) return false;
  const { encrypted_content: encrypted } = item;
  return typeof encrypted === 'string' && encrypted.startsWith(MARK);
}
