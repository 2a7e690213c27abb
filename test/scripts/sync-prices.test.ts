import { readFileSync } from 'node:fs';
import { findProvider, type Provider } from '@pydantic/genai-prices';
import { describe, expect, it } from 'vitest';
import type { PriceTerms } from '../../core/catalog/snapshot.ts';
import { complaintsAbout, crossCheck } from '../../scripts/prices/cross-check.ts';
import { bookOf } from '../../scripts/prices/from-genai-prices.ts';
import { BOOK_PROVIDERS } from '../../scripts/prices/reviewed.ts';
import { syncedPrices } from '../../scripts/sync-prices.ts';

function sold(models: Provider['models'], id = 'openai'): Provider {
  return { id, name: id, api_pattern: '', models };
}

function model(id: string, prices: Provider['models'][number]['prices']) {
  return { id, match: { equals: id }, prices };
}

describe('the synced files', () => {
  const { files, complaints } = syncedPrices();

  it.each(Object.keys(files))('%s is what the packages give', (path) => {
    expect(readFileSync(path, 'utf8')).toBe(files[path]);
  });

  it('differ from the second package only where somebody has reviewed it', () => {
    expect(complaints).toEqual([]);
  });
});

describe('the conversion', () => {
  it('loses no digit: every class of every model is the float of the package to the micro-dollar', () => {
    const classes = {
      input: 'input_mtok',
      cachedInput: 'cache_read_mtok',
      cacheWrite5m: 'cache_write_mtok',
      audioInput: 'input_audio_mtok',
      output: 'output_mtok',
      audioOutput: 'output_audio_mtok',
    } as const;
    let compared = 0;
    for (const id of BOOK_PROVIDERS) {
      const provider = findProvider({ providerId: id });
      if (provider === undefined) throw new Error(id);
      const raw = new Map(provider.models.map((each) => [each.id, each.prices]));
      for (const { model: name, prices } of bookOf(provider).models) {
        const flat = raw.get(name);
        if (flat === undefined || Array.isArray(flat)) continue;
        for (const [ours, theirs] of Object.entries(classes)) {
          const price = flat[theirs];
          const dollars = typeof price === 'object' ? price.base : price;
          const micro = Reflect.get(prices[0] ?? {}, ours);
          if (dollars === undefined) continue;
          expect(Number(micro) / 1e6).toBe(dollars);
          compared += 1;
        }
      }
    }
    expect(compared).toBeGreaterThan(1_000);
  });

  it('fails on a price that is no whole number of micro-dollars', () => {
    const odd = sold([model('a', { input_mtok: 0.0000001, output_mtok: 1 })]);
    expect(() => bookOf(odd)).toThrow('not whole micro-dollars');
  });

  it('leaves out what the book cannot say or nobody pays for', () => {
    const { models, leftOut } = bookOf(
      sold([
        model('by-the-hour', { input_mtok: 1, output_mtok: 1, audio_hours: 2 }),
        model('free', {}),
        model('no-output', { input_mtok: 1 }),
        model('embed', { input_mtok: 1 }),
      ]),
    );
    expect(models.map(({ model: name }) => name)).toEqual(['embed']);
    expect(leftOut.map(({ because }) => because)).toEqual([
      'audio_hours',
      'no input price',
      'no output price',
    ]);
  });

  it('gives every context tier a whole card', () => {
    const tiered = model('a', {
      input_mtok: Object.assign({ base: 1, tiers: [{ start: 100, price: 2 }] }),
      cache_read_mtok: 0.1,
      output_mtok: Object.assign({ base: 3, tiers: [{ start: 200, price: 6 }] }),
    });
    const [first] = bookOf(sold([tiered], 'groq')).models[0]?.prices ?? [];
    expect(first).toEqual({
      input: 1e6,
      cachedInput: 1e5,
      output: 3e6,
      contextTiers: [
        { aboveInputTokens: 100, input: 2e6, cachedInput: 1e5, output: 3e6 },
        { aboveInputTokens: 200, input: 2e6, cachedInput: 1e5, output: 6e6 },
      ],
    } satisfies PriceTerms);
  });

  it('takes the dearest of the hours of a day, class by class', () => {
    const hourly = model('a', [
      { prices: { input_mtok: 1, cache_read_mtok: 0.5, output_mtok: 4 } },
      {
        constraint: { type: 'start_date', start_date: '2026-01-01' },
        prices: { input_mtok: 1, cache_read_mtok: 0.5, output_mtok: 4 },
      },
      {
        constraint: { type: 'time_of_date', start_time: '01:00:00Z', end_time: '02:00:00Z' },
        prices: { input_mtok: 2, output_mtok: 3 },
      },
    ]);
    expect(bookOf(sold([hourly], 'groq')).models[0]?.prices).toEqual([
      { input: 1e6, cachedInput: 5e5, output: 4e6 },
      { effectiveFrom: '2026-01-01', input: 2e6, cachedInput: 5e5, output: 4e6 },
    ]);
  });

  it('fails on periods that are out of order or begin with a date', () => {
    const period = (start_date: string) => ({
      constraint: { type: 'start_date', start_date } as const,
      prices: { input_mtok: 1, output_mtok: 1 },
    });
    const always = { prices: { input_mtok: 1, output_mtok: 1 } };
    const book = (...periods: Provider['models'][number]['prices'] & unknown[]) =>
      bookOf(sold([model('a', periods)]));
    expect(() => book(period('2026-01-01'))).toThrow('out of order');
    expect(() => book(always, period('2026-02-01'), period('2026-01-01'))).toThrow('out of order');
  });

  it('gives a name of two models to neither', () => {
    const twin = (id: string) => ({
      id,
      match: { or: [{ equals: 'both' }, { starts_with: `${id}-x` }, { regex: '.*' }] },
      prices: { input_mtok: 1, output_mtok: 1 },
    });
    expect(bookOf(sold([twin('a'), twin('b')])).models.map(({ names }) => names)).toEqual([
      ['a-x'],
      ['b-x'],
    ]);
  });
});

describe('the cross-check', () => {
  const check = (input: number) =>
    crossCheck({
      openai: [{ model: 'gpt-5', names: [], prices: [{ input, output: 10_000_000 }] }],
    });

  it('finds a price that differs', () => {
    expect(check(1_000_000).differences).toEqual([
      {
        provider: 'openai',
        model: 'gpt-5',
        priceClass: 'input',
        ours: 1_000_000,
        theirs: 1_250_000,
      },
    ]);
  });

  it('is content with one that is alike, and counts what it cannot compare', () => {
    expect(check(1_250_000)).toMatchObject({ compared: 1, unknownThere: 0, differences: [] });
    const unheard = { model: 'unheard-of', names: [], prices: [{ input: 1, output: 1 }] };
    expect(crossCheck({ openai: [unheard] })).toMatchObject({ compared: 0, unknownThere: 1 });
  });
});

describe('the complaints', () => {
  const dearer = { provider: 'openai', model: 'a', priceClass: 'input', ours: 2, theirs: 1 };
  const cheaper = { ...dearer, ours: 1, theirs: 2 };
  const reviews = { 'openai/a': 'read on a page' };

  it.each([
    ['a difference that nobody has reviewed', [dearer], {}, 1],
    ['a reviewed price under the second one, which no review excuses', [cheaper], reviews, 1],
    ['a review of a difference that is gone', [], reviews, 1],
    ['nothing when the dearer price is reviewed', [dearer], reviews, 0],
  ])('are of %s', (_what, differences, reviewed, count) => {
    expect(complaintsAbout(differences, reviewed)).toHaveLength(count);
  });
});
