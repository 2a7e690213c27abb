import { describe, expect, it } from 'vitest';
import type { Route } from '../../../core/catalog/snapshot.ts';
import { boundOf, type CallSize } from '../../../core/limits/bound.ts';

const size: CallSize = {
  bodyBytes: 999_984,
  tokensBesideText: 0,
  maxOutputTokens: 1_000,
  choices: 2,
};

function route(price: Partial<NonNullable<Route['price']>>): Route {
  const whole = { version: 'v', input: 3_000_000, output: 15_000_000, ...price };
  return { provider: 'p', model: 'm', price: whole, free: false };
}

describe('the bound of a call', () => {
  it('is every byte a token of input and every choice its maximum, at the dearest route', () => {
    expect(boundOf(size, [route({}), route({ output: 20_000_000 }), route({ input: 1 })])).toEqual({
      inputTokens: 1_000_000,
      outputTokens: 2_000,
      nanoUsd: 3_000_000_000 + 40_000_000,
    });
  });

  it('takes the context tier that its input can reach, and not one beyond', () => {
    const tiered = (aboveInputTokens: number) =>
      route({ contextTiers: [{ aboveInputTokens, input: 6_000_000, output: 15_000_000 }] });
    expect(boundOf(size, [tiered(999_999)]).nanoUsd).toBe(6_030_000_000);
    expect(boundOf(size, [tiered(1_000_000)]).nanoUsd).toBe(3_030_000_000);
  });

  it('takes the dearest cache write unless the request cannot cause it', () => {
    const writes = route({ cacheWrite5m: 3_750_000, cacheWrite1h: 6_000_000 });
    expect(boundOf(size, [writes]).nanoUsd).toBe(6_030_000_000);
    expect(boundOf({ ...size, cacheWrites: '5m' }, [writes]).nanoUsd).toBe(3_780_000_000);
    expect(boundOf({ ...size, cacheWrites: 'none' }, [writes]).nanoUsd).toBe(3_030_000_000);
  });

  it('takes the searches that the request allows', () => {
    const searching = route({ toolCalls: { web_search: 10_000_000 } });
    expect(boundOf({ ...size, webSearches: 5 }, [searching]).nanoUsd).toBe(3_080_000_000);
    expect(boundOf(size, [searching]).nanoUsd).toBe(3_030_000_000);
  });

  it('takes the dearest service tier that the price has', () => {
    expect(boundOf(size, [route({ serviceTiers: { flex: 50, priority: 200 } })]).nanoUsd).toBe(
      6_060_000_000,
    );
    expect(boundOf(size, [route({ serviceTiers: { flex: 50 } })]).nanoUsd).toBe(3_030_000_000);
  });

  it('does not count audio prices, since audio is refused', () => {
    const audio = route({ audioInput: 40_000_000, audioOutput: 80_000_000 });
    expect(boundOf(size, [audio]).nanoUsd).toBe(3_030_000_000);
  });

  it('is nothing on a free route and refused on an unpriced one', () => {
    const free: Route = { provider: 'p', model: 'm', free: true };
    expect(boundOf(size, [free]).nanoUsd).toBe(0);
    expect(() => boundOf(size, [{ ...free, free: false }])).toThrow('no price');
  });
});
