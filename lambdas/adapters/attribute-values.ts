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
  | { SS: string[] }
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
  return Object.fromEntries(
    Object.entries(plain).map(([name, value]) => [name, toAttribute(value)]),
  );
}

/** Undefined where there is no item. Throws TypeError for what is no item of ours. */
export function fromAttributes(attributes: unknown): Item | undefined {
  if (attributes === undefined || attributes === null) return undefined;
  const wire = asRecord(attributes) ?? {};
  const item: Record<string, unknown> = {};
  for (const name of Object.keys(wire)) {
    const value = fromAttribute(wire[name]);
    // An assignment would change what the item inherits.
    if (name === '__proto__') Object.defineProperty(item, name, { value, enumerable: true });
    else item[name] = value;
  }
  return item;
}

/** An attribute has one member, which is named after its type. */
function fromAttribute(attribute: unknown): unknown {
  const wire = asRecord(attribute) ?? {};
  for (const type in wire) {
    const value = wire[type];
    if (value !== undefined) return plainOf(type, value);
  }
  throw notUsedHere(attribute);
}

function plainOf(type: string, value: unknown): unknown {
  switch (type) {
    case 'S':
      return asText(value);
    case 'N':
      return Number(value);
    case 'M':
      return fromAttributes(value);
    case 'BOOL':
      return value;
    case 'B':
      // The SDK has decoded it; on the wire it is base64.
      return value instanceof Uint8Array ? value : Buffer.from(asText(value) ?? '', 'base64');
    case 'SS':
      if (Array.isArray(value)) return value;
      break;
    case 'L':
      if (Array.isArray(value)) return value.map(fromAttribute);
  }
  throw notUsedHere({ [type]: value });
}

function notUsedHere(attribute: unknown): TypeError {
  return new TypeError(`attribute type not used here: ${Object.keys(Object(attribute)).join()}`);
}

function isList(plain: Plain): plain is readonly Plain[] {
  return Array.isArray(plain);
}
