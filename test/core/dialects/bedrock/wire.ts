/** Streams of Bedrock as bytes, framed by Smithy's own codec. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EventStreamCodec } from '@smithy/eventstream-codec';
import * as z from 'zod';

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);

const payload = z.record(z.string(), z.unknown());
const messageSchema = z.union([
  z.object({ type: z.string(), payload }),
  z.object({ exception: z.string(), payload }),
]);
export type WireMessage = z.infer<typeof messageSchema>;

const FOLDER = join(import.meta.dirname, '../../../fixtures/bedrock');

export function readStream(name: string): WireMessage[] {
  const text = readFileSync(join(FOLDER, `stream-${name}.json`), 'utf8');
  return z.object({ messages: z.array(messageSchema) }).parse(JSON.parse(text)).messages;
}

export function readAnswer(name: string): Buffer {
  const text = readFileSync(join(FOLDER, `answer-${name}.json`), 'utf8');
  return Buffer.from(JSON.stringify(z.object({ answer: payload }).parse(JSON.parse(text)).answer));
}

export function toBytes(messages: readonly WireMessage[]): Buffer {
  return Buffer.concat(
    messages.map((message) => frame(headersOf(message), JSON.stringify(message.payload))),
  );
}

export function frame(headers: Readonly<Record<string, string>>, body: string): Buffer {
  const typed = Object.entries(headers).map(([name, value]) => [name, { type: 'string', value }]);
  return Buffer.from(
    codec.encode({ headers: Object.fromEntries(typed), body: Buffer.from(body, 'utf8') }),
  );
}

function headersOf(message: WireMessage): Record<string, string> {
  const kind: Record<string, string> =
    'exception' in message
      ? { ':message-type': 'exception', ':exception-type': message.exception }
      : { ':message-type': 'event', ':event-type': message.type };
  return { ...kind, ':content-type': 'application/json' };
}
