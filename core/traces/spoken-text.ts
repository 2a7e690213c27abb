/**
 * What a streamed answer said, put together again: an address that was cut in two between events would pass
 * every redaction. It knows the fields in which the dialects' events carry pieces of text, and leaves the rest.
 */

export interface SpokenPart {
  /** Which of the answer's parts: of the event's indexes and the field, such as `choices.0.delta.content`. */
  readonly at: string;
  readonly text: string;
}

/** Text, thoughts, refusals and the arguments of tools, by the names they have in the dialects spoken here. */
const TEXT_FIELDS = new Set([
  'content',
  'text',
  'refusal',
  'reasoning',
  'reasoning_content',
  'thinking',
  'partial_json',
  'arguments',
  'delta',
  'name',
  'message',
]);
/** Events that repeat what pieces have told: the Responses dialect ends each part, and the answer, with all of it. */
const REPEATS = /\.(?:done|added|completed|in_progress|created|incomplete|failed)$/;
const MAX_DEPTH = 8;
const MAX_PARTS = 200;

/** `sse` as the caller got it; what is cut off at its end is passed over. */
export function spokenText(sse: string): SpokenPart[] {
  const parts = new Map<string, string>();
  for (const line of sse.split(/\r?\n/)) {
    const event = line.startsWith('data:') ? parsed(line.slice(5)) : undefined;
    if (isRecord(event) && !REPEATS.test(String(event['type'] ?? ''))) {
      for (const { at, text } of pieces(event, indexOf(event), 0)) {
        if (parts.has(at) || parts.size < MAX_PARTS) parts.set(at, (parts.get(at) ?? '') + text);
      }
    }
  }
  return [...parts].map(([at, text]) => ({ at, text }));
}

/** Where the event belongs, as far as its own level says. */
function indexOf(event: Readonly<Record<string, unknown>>): string {
  return ['output_index', 'content_index', 'index']
    .map((name) => event[name])
    .filter((index) => typeof index === 'number')
    .map((index) => `${index}.`)
    .join('');
}

function* pieces(value: unknown, at: string, depth: number): Generator<SpokenPart> {
  if (depth > MAX_DEPTH) return;
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      const index: unknown = isRecord(item) ? item['index'] : undefined;
      yield* pieces(item, `${at}${typeof index === 'number' ? index : i}.`, depth + 1);
    }
    return;
  }
  if (!isRecord(value)) return;
  for (const [field, inner] of Object.entries(value)) {
    if (typeof inner === 'string') {
      if (TEXT_FIELDS.has(field)) yield { at: at + field, text: inner };
    } else yield* pieces(inner, `${at}${field}.`, depth + 1);
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
