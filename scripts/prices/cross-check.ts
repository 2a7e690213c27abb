/** The book against a second package: every price that both know on the same day, where they differ. */
import { PricingCatalog, SNAPSHOT_SYNCED_AT } from 'llm-pricing';
import type { BookModel } from '../../core/catalog/price-book.ts';
import type { PriceCard } from '../../core/catalog/snapshot.ts';

export interface Difference {
  readonly provider: string;
  readonly model: string;
  readonly priceClass: string;
  /** Micro-dollars per million tokens. */
  readonly ours: number;
  readonly theirs: number;
}

export interface CrossCheck {
  /** The day whose prices were compared. */
  readonly day: string;
  readonly compared: number;
  readonly unknownThere: number;
  readonly differences: readonly Difference[];
}

/** The second package names models without their provider, so only those who sell their own models compare. */
const FIRST_HAND: readonly string[] = ['anthropic', 'deepseek', 'mistral', 'openai', 'x-ai'];

/** Relative; what is less is how the packages round. */
const TOLERANCE = 0.001;

export function crossCheck(providers: Readonly<Record<string, readonly BookModel[]>>): CrossCheck {
  const catalog = new PricingCatalog({ sources: [] });
  const results = FIRST_HAND.flatMap((provider) =>
    (providers[provider] ?? []).map((model) => ({
      provider,
      model,
      ...lookUp(catalog, [model.model, ...model.names]),
    })),
  );
  const known = results.filter(({ theirs }) => theirs !== undefined);
  return {
    day: SNAPSHOT_SYNCED_AT,
    compared: known.length,
    unknownThere: results.length - known.length,
    differences: known.flatMap(({ provider, model, theirs, theirsLong }) => {
      const ours = model.prices.findLast(
        ({ effectiveFrom = '' }) => effectiveFrom <= SNAPSHOT_SYNCED_AT,
      );
      if (ours === undefined || theirs === undefined || theirsLong === undefined) return [];
      const oursLong = ours.contextTiers?.findLast((tier) => tier.aboveInputTokens < LONG) ?? ours;
      const long = differencesOf(oursLong, theirsLong).map((each) => ({
        ...each,
        priceClass: `${each.priceClass}, long context`,
      }));
      // What differs at every length is told once.
      const short = differencesOf(ours, theirs);
      return [...short, ...(short.length > 0 ? [] : long)].map((each) => ({
        provider,
        model: model.model,
        ...each,
      }));
    }),
  };
}

/** Tokens of a prompt that is above every context tier. */
const LONG = 1_000_000;

function lookUp(catalog: PricingCatalog, names: readonly string[]) {
  const priceOf = (facts: { promptTokens?: number }) =>
    names
      .map((name) => catalog.getPrice(name, SNAPSHOT_SYNCED_AT, facts))
      .find((price) => price !== null);
  return { theirs: priceOf({}), theirsLong: priceOf({ promptTokens: LONG }) };
}

type Theirs = NonNullable<ReturnType<PricingCatalog['getPrice']>>;

/** Cache writes compare only where we list them: the second package fills the gap with the price of a read. */
function differencesOf(ours: PriceCard, theirs: Theirs): Omit<Difference, 'provider' | 'model'>[] {
  const pairs: [string, number | undefined, number][] = [
    ['input', ours.input, theirs.inputCostPerToken],
    ['cachedInput', ours.cachedInput, theirs.cacheReadInputCostPerToken],
    ['cacheWrite5m', ours.cacheWrite5m, theirs.cacheCreationInputCostPerToken],
    ['output', ours.output, theirs.outputCostPerToken],
  ];
  return pairs.flatMap(([priceClass, own, perToken]) => {
    const other = Math.round(perToken * 1e12);
    const isAlike = own === undefined || Math.abs(own - other) <= TOLERANCE * Math.max(own, other);
    return isAlike ? [] : [{ priceClass, ours: own, theirs: other }];
  });
}

/**
 * Differences that nobody has reviewed, or that no review excuses because ours is the cheaper price, and
 * reviews of differences that are gone. Reviews are by `provider/model`.
 */
export function complaintsAbout(
  differences: readonly Difference[],
  reviews: Readonly<Record<string, string>>,
): string[] {
  const nameOf = ({ provider, model }: Difference) => `${provider}/${model}`;
  const found = new Set(differences.map(nameOf));
  const gone = Object.keys(reviews).filter((name) => !found.has(name));
  const open = differences.filter(
    (each) => each.ours < each.theirs || !Object.hasOwn(reviews, nameOf(each)),
  );
  return [
    ...open.map((each) => `not reviewed: ${JSON.stringify(each)}`),
    ...gone.map((name) => `reviewed, but gone: ${name}`),
  ];
}
