/** Version, trace, parent and flags; later versions may append more (W3C Trace Context, level 2). */
const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-|$)/;

/** The caller's trace, or undefined where the header is absent or no traceparent: a bad one is ignored, as its standard asks. */
export function traceIdOf(traceparent: string | undefined): string | undefined {
  return TRACEPARENT.exec(traceparent?.slice(0, 256) ?? '')?.[1];
}
