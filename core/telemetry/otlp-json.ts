/**
 * Spans as an OTLP export request in JSON: the proto's JSON mapping, in which 64-bit integers are texts, and
 * the ids are hexadecimal instead of base64 (OTLP specification, "JSON Protobuf Encoding").
 */
import type { Span, SpanAttributes, SpanKind } from './spans.ts';

const KINDS: Readonly<Record<SpanKind, number>> = { internal: 1, server: 2, client: 3 };
const STATUS_ERROR = 2;
const MAX_TEXT = 256;

/** `resource` says which process this is: `service.name` and the like. */
export function otlpRequest(spans: readonly Span[], resource: SpanAttributes): object {
  return {
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [{ scope: { name: 'tollgate' }, spans: spans.map(spanOf) }],
      },
    ],
  };
}

function spanOf(span: Span): object {
  const { traceId, spanId, parentId, name, error } = span;
  return {
    traceId,
    spanId,
    ...(parentId === undefined ? {} : { parentSpanId: parentId }),
    name: name.slice(0, MAX_TEXT),
    kind: KINDS[span.kind],
    startTimeUnixNano: nanosecondsOf(span.startMs),
    endTimeUnixNano: nanosecondsOf(span.endMs),
    attributes: attributesOf({ ...span.attributes, 'error.type': error }),
    status: error === undefined ? {} : { code: STATUS_ERROR, message: error },
  };
}

function nanosecondsOf(ms: number): string {
  return `${Math.round(ms * 1000)}000`;
}

function attributesOf(attributes: SpanAttributes): object[] {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: anyValue(value) }],
  );
}

function anyValue(value: string | number | boolean): object {
  switch (typeof value) {
    case 'boolean':
      return { boolValue: value };
    case 'number':
      return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
    default:
      return { stringValue: value.slice(0, MAX_TEXT) };
  }
}
