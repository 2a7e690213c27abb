/**
 * One message of the AWS event stream: total length, length of the headers, CRC of both; headers; payload; CRC
 * of all before it. Source: AWS, "Amazon Transcribe, event stream encoding", the same for every service.
 */
import { crc32 } from 'node:zlib';

const PRELUDE_BYTES = 12;
const CRC_BYTES = 4;
const STRING_TYPE = 7;

export function eventStreamMessage(
  headers: Readonly<Record<string, string>>,
  payload: Buffer,
): Buffer {
  const encoded = Buffer.concat(
    Object.entries(headers).map(([name, value]) => header(name, value)),
  );
  const total = PRELUDE_BYTES + encoded.length + payload.length + CRC_BYTES;
  const lengths = Buffer.concat([uint32(total), uint32(encoded.length)]);
  const checked = Buffer.concat([lengths, uint32(crc32(lengths)), encoded, payload]);
  return Buffer.concat([checked, uint32(crc32(checked))]);
}

function header(name: string, value: string): Buffer {
  const text = Buffer.from(value);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(text.length);
  return Buffer.concat([
    Buffer.from([Buffer.byteLength(name)]),
    Buffer.from(name),
    Buffer.from([STRING_TYPE]),
    length,
    text,
  ]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
