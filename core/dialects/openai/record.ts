/** Events of streams are looked at by hand, because a schema would copy every one of them. */
export type Fields = Readonly<Record<string, unknown>>;

/** Undefined when the text is no JSON object. */
export function parseRecord(text: string): Fields | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isRecord(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
