import { randomUUID } from 'node:crypto';
import { AwsError, type WireResponse } from './wire.ts';

export function xmlResponse(
  status: number,
  xml: string,
  headers: Readonly<Record<string, string>> = {},
): WireResponse {
  return {
    status,
    headers: { 'content-type': 'application/xml', 'x-amz-request-id': randomUUID(), ...headers },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n${xml}`,
  };
}

export function escapeXml(text: string): string {
  // Control characters have no literal form in XML; carriage returns would be normalised away.
  return text.replace(/[<>&"]|\p{Cc}/gu, (character) => `&#${character.charCodeAt(0)};`);
}

/** The error of S3 and of the query protocol: they differ in the element around it. */
export function xmlError(error: unknown, wrap: (xml: string) => string): WireResponse {
  const known =
    error instanceof AwsError ? error : new AwsError('InternalError', String(error), 500);
  const { code, message, status } = known;
  return xmlResponse(status, wrap(`<Code>${code}</Code><Message>${escapeXml(message)}</Message>`));
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
};

export function unescapeXml(text: string): string {
  return text.replace(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return ENTITIES[name] ?? whole;
  });
}

/** The contents of every element of the name, escaped as they came: enough for the small bodies that S3 clients send. */
export function xmlElements(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'gs'))].map(
    ([, text = '']) => text,
  );
}
