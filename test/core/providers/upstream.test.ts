import { describe, expect, it } from 'vitest';
import { upstreamRefusal } from '../../../core/providers/upstream.ts';

const NOW_MS = Date.UTC(2026, 9, 21, 7, 28, 0);

describe("a provider's advice when to come back", () => {
  it.each([
    ['0', 0],
    ['1.5', 1_500],
    ['59', 59_000],
    ['1000000000', 60_000],
    ['9'.repeat(400), 60_000],
    ['Wed, 21 Oct 2026 07:28:07 GMT', 7_000],
    ['Wed, 21 Oct 2015 07:28:00 GMT', 0],
    ['Wed, 21 Oct 2096 07:28:00 GMT', 60_000],
    ['1e9', undefined],
    ['-5', undefined],
    ['junk 1', undefined],
    ['soon', undefined],
    ['GMT', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('of %s is %s ms', (retryAfter, ms) => {
    const headers = { 'retry-after': retryAfter };
    const error = upstreamRefusal({ status: 429, headers, body: Buffer.alloc(0) }, NOW_MS);
    expect(error).toMatchObject({ code: 'upstream_rate_limited' });
    expect(error.retryAfterMs).toBe(ms);
  });
});
