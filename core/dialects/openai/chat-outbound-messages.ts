/** The turns of a conversation as the messages of a chat request. */
import type {
  Conversation,
  ImagePart,
  Part,
  TextPart,
  ToolResultPart,
  Turn,
} from '../conversation.ts';

export function chatMessages({ system, turns }: Conversation): unknown[] {
  return [
    ...(system.length === 0 ? [] : [{ role: 'system', content: contentOf(system) }]),
    ...turns.flatMap((turn) =>
      turn.role === 'assistant' ? assistantMessages(turn) : userMessages(turn),
    ),
  ];
}

/** Text comes before the calls whatever their order was: the dialect has one place for each. */
function assistantMessages({ parts }: Turn): unknown[] {
  const said = parts.filter((part) => part.kind === 'text' || part.kind === 'refusal');
  const calls = parts.filter((part) => part.kind === 'tool-call');
  if (said.length === 0 && calls.length === 0) return [];
  const toolCalls = calls.map(({ id, name, arguments: json }) => ({
    id,
    type: 'function',
    function: { name, arguments: json },
  }));
  return [
    {
      role: 'assistant',
      content: said.length === 0 ? null : spokenOf(said),
      ...(calls.length === 0 ? {} : { tool_calls: toolCalls }),
    },
  ];
}

function spokenOf(said: readonly Extract<Part, { kind: 'text' | 'refusal' }>[]): unknown {
  const [only] = said;
  if (said.length === 1 && only?.kind === 'text') return only.text;
  return said.map(({ kind, text }) =>
    kind === 'text' ? { type: 'text', text } : { type: 'refusal', refusal: text },
  );
}

/** Results come first, because they must follow their calls; the images in them follow in the user's own message. */
function userMessages({ parts }: Turn): unknown[] {
  const results = parts.filter((part) => part.kind === 'tool-result');
  const content = [...results.flatMap(imagesOf), ...parts.filter(isSeen)];
  return [
    ...results.map(({ callId, content: said }) => ({
      role: 'tool',
      tool_call_id: callId,
      content: contentOf(said.filter((part) => part.kind === 'text')),
    })),
    ...(content.length === 0 ? [] : [{ role: 'user', content: contentOf(content) }]),
  ];
}

function isSeen(part: Part): part is TextPart | ImagePart {
  return part.kind === 'text' || part.kind === 'image';
}

/** A tool message holds text only, so its images are told apart by the call that they answer. */
function imagesOf({ callId, content }: ToolResultPart): (TextPart | ImagePart)[] {
  const images = content.filter((part) => part.kind === 'image');
  if (images.length === 0) return [];
  return [{ kind: 'text', text: `Images in the result of the tool call ${callId}:` }, ...images];
}

/** A plain text where it is one: not every compatible server knows parts. */
function contentOf(parts: readonly (TextPart | ImagePart)[]): unknown {
  const [only] = parts;
  if (only === undefined) return '';
  if (parts.length === 1 && only.kind === 'text') return only.text;
  return parts.map((part) =>
    part.kind === 'text'
      ? { type: 'text', text: part.text }
      : { type: 'image_url', image_url: { url: imageUrl(part) } },
  );
}

function imageUrl({ source }: ImagePart): string {
  return source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`;
}
