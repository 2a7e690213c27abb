/**
 * How the chat requests of one server differ from OpenAI's own. The rules are a provider's; they are kept
 * where requests are written, whether a caller's own body passes or a translation is sent.
 */
import { type CompatibilityRow, inexpressible, settleFields } from '../compatibility.ts';
import type { Conversation } from '../conversation.ts';
import { asRecord, asText } from '../json-record.ts';

export interface ChatRules {
  /** The caller's fields that the server knows; `rows` settle the others. */
  readonly knows: ReadonlySet<string>;
  readonly rows: readonly CompatibilityRow[];
  /** The server would fetch an image from an address inside our own network. */
  readonly imagesAsDataOnly: boolean;
}

/** The fields of the caller's body that the server must not get. Throws GatewayError `invalid_request`. */
export function fieldsLeftOut(
  body: Readonly<Record<string, unknown>>,
  rules: ChatRules | undefined,
): string[] {
  if (rules === undefined) return [];
  if (rules.imagesAsDataOnly) refuseAddresses(body['messages']);
  const unknown = Object.entries(body).filter(([field]) => !rules.knows.has(field));
  return settleFields(Object.fromEntries(unknown), rules.rows);
}

/** The same for a conversation that came in another dialect. */
export function refuseImageAddresses({ turns }: Conversation, rules: ChatRules | undefined): void {
  if (rules?.imagesAsDataOnly !== true) return;
  const parts = turns.flatMap((turn) => turn.parts);
  const inResults = parts.flatMap((part) => (part.kind === 'tool-result' ? part.content : []));
  for (const part of [...parts, ...inResults])
    if (part.kind === 'image' && part.source.kind === 'url') throw noAddress();
}

/** Servers tell the kind of a part by its fields, so it is these that are looked at and not its type. */
const PART_FIELDS = new Set(['type', 'text', 'refusal', 'image_url']);

function refuseAddresses(messages: unknown): void {
  for (const message of listOf(messages)) {
    for (const part of listOf(asRecord(message)?.['content'])) {
      const { image_url: image, ...others } = asRecord(part) ?? {};
      const unknown = Object.keys(others).find((field) => !PART_FIELDS.has(field));
      if (unknown !== undefined)
        throw inexpressible('messages', 'this model takes content of text and images only');
      const url = asText(image) ?? asText(asRecord(image)?.['url']);
      if (image !== undefined && !/^data:/i.test(url ?? '')) throw noAddress();
    }
  }
}

/** No caller chooses an address that a server of ours connects to. */
function noAddress() {
  return inexpressible('messages', 'this model takes images as data: URLs only');
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
