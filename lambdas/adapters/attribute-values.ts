/** DynamoDB's attribute values to and from plain ones: only the types that our tables use. */
import { asRecord, asText } from '../../core/dialects/json-record.ts';

export type Plain =
  | string
  | number
  | boolean
  | Uint8Array
  | readonly Plain[]
  | { readonly [key: string]: Plain };

/** In wire form, which is also the SDK's. */
export type Attribute =
  | { S: string }
  | { N: string }
  | { BOOL: boolean }
  | { B: Uint8Array }
  | { L: Attribute[] }
  | { M: Attributes };
export type Attributes = Record<string, Attribute>;

/** Plain again; who reads it parses it. */
export type Item = Readonly<Record<string, unknown>>;

export function toAttribute(plain: Plain): Attribute {
  if (typeof plain === 'string') return { S: plain };
  if (typeof plain === 'number') return { N: String(plain) };
  if (typeof plain === 'boolean') return { BOOL: plain };
  if (plain instanceof Uint8Array) return { B: plain };
  if (isList(plain)) return { L: plain.map(toAttribute) };
  return { M: toAttributes(plain) };
}

function toAttributes(plain: Readonly<Record<string, Plain>>): Attributes {
  const attributes: Attributes = {};
  for (const [name, value] of Object.entries(plain)) attributes[name] = toAttribute(value);
  return attributes;
}

/** Undefined where there is no item. Throws TypeError for what is no item of ours. */
export function fromAttributes(attributes: unknown): Item | undefined {
  if (attributes === undefined || attributes === null) return undefined;
  const entries = Object.entries(asRecord(attributes) ?? {});
  return Object.fromEntries(entries.map(([name, value]) => [name, fromAttribute(value)]));
}

function fromAttribute(attribute: unknown): unknown {
  const { S, N, BOOL, B, L, M } = asRecord(attribute) ?? {};
  if (S !== undefined) return asText(S);
  if (N !== undefined) return Number(N);
  if (BOOL !== undefined) return BOOL;
  // The SDK has decoded it; on the wire it is base64.
  if (B !== undefined) return B instanceof Uint8Array ? B : Buffer.from(asText(B) ?? '', 'base64');
  if (Array.isArray(L)) return L.map(fromAttribute);
  if (M !== undefined) return fromAttributes(M);
  throw new TypeError(`attribute type not used here: ${Object.keys(Object(attribute)).join()}`);
}

function isList(plain: Plain): plain is readonly Plain[] {
  return Array.isArray(plain);
}
