/** The body for a provider, written with as much of the caller's own bytes as stays the same. */
import { membersOf } from './json-members.ts';
import { asRecord } from './json-record.ts';
import type { SentBody } from './request-body.ts';

/** Below this, writing a body anew costs no more than looking for its parts, and a text leaves in one write with the head. */
const MIN_COPIED_BYTES = 8_192;

/**
 * What JSON.stringify says of the fields. A value that is the very one which the caller's body was read to is copied as the caller
 * wrote it, so a long prompt is neither written nor encoded again (ADR 0038).
 */
export function writeBody(
  fields: Readonly<Record<string, unknown>>,
  { json, bytes, names }: SentBody,
): string | Uint8Array {
  const read = asRecord(json);
  if (bytes.byteLength < MIN_COPIED_BYTES || read === undefined) return JSON.stringify(fields);
  const written = membersOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), names);
  if (written === undefined) return JSON.stringify(fields);
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .flatMap(([name, value], index) => [
      Buffer.from(`${index === 0 ? '{' : ','}${JSON.stringify(name)}:`),
      (value === read[name] ? written.get(name) : undefined) ?? Buffer.from(JSON.stringify(value)),
    ]);
  return Buffer.concat([...parts, Buffer.from('}')]);
}
