/** The body for a provider, written with as much of the caller's own bytes as stays the same. */
import { membersOf } from './json-members.ts';
import { asRecord } from './json-record.ts';
import type { SentBody } from './request-body.ts';

/** Below this, writing a body anew costs no more than looking for its parts. */
const MIN_READ_BYTES = 8_192;
const MIN_TAKEN_BYTES = 1_024;

/**
 * What JSON.stringify says of the fields. A long value that is the very one which the caller's body was read to travels as the caller
 * wrote it, so a long prompt is neither written nor encoded again, nor even copied (ADR 0038).
 */
export function writeBody(
  fields: Readonly<Record<string, unknown>>,
  { json, bytes, names }: SentBody,
): string | readonly Uint8Array[] {
  const read = asRecord(json);
  if (bytes.byteLength < MIN_READ_BYTES || read === undefined) return JSON.stringify(fields);
  const written = membersOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), names);
  if (written === undefined) return JSON.stringify(fields);
  const parts: Uint8Array[] = [];
  let text = '{';
  let separator = '';
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    text += `${separator}${JSON.stringify(name)}:`;
    separator = ',';
    const taken = value === read[name] ? written.get(name) : undefined;
    if (taken === undefined || taken.length < MIN_TAKEN_BYTES) text += JSON.stringify(value);
    else {
      parts.push(Buffer.from(text), taken);
      text = '';
    }
  }
  text += '}';
  return parts.length === 0 ? text : [...parts, Buffer.from(text)];
}
