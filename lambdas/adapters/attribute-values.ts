/** DynamoDB's attribute values to and from plain ones: only the types that our tables use. */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';

export type Plain =
  | string
  | number
  | boolean
  | readonly Plain[]
  | { readonly [key: string]: Plain };

export function toAttribute(plain: Plain): AttributeValue {
  if (typeof plain === 'string') return { S: plain };
  if (typeof plain === 'number') return { N: String(plain) };
  if (typeof plain === 'boolean') return { BOOL: plain };
  if (isList(plain)) return { L: plain.map(toAttribute) };
  return {
    M: Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, toAttribute(value)])),
  };
}

export function fromAttributes(
  item: Readonly<Record<string, AttributeValue>> | undefined,
): Readonly<Record<string, unknown>> | undefined {
  if (item === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(item).map(([name, value]) => [name, fromAttribute(value)]),
  );
}

function fromAttribute(value: AttributeValue): unknown {
  if (value.S !== undefined) return value.S;
  if (value.N !== undefined) return Number(value.N);
  if (value.BOOL !== undefined) return value.BOOL;
  if (value.B !== undefined) return value.B;
  if (value.L !== undefined) return value.L.map(fromAttribute);
  if (value.M !== undefined) return fromAttributes(value.M);
  throw new TypeError(`attribute type not used here: ${Object.keys(value).join()}`);
}

function isList(plain: Plain): plain is readonly Plain[] {
  return Array.isArray(plain);
}
