/** Prices of genai-prices in the book's own shape: whole micro-dollars per million tokens, dated. */
import type { ConditionalPrice, MatchLogic, ModelInfo, Provider } from '@pydantic/genai-prices';
import { withoutRegion } from '../../core/catalog/model-names.ts';
import type { BookModel, BookPrice } from '../../core/catalog/price-book.ts';
import type { PriceCard, PriceTerms } from '../../core/catalog/snapshot.ts';
import { parsePrice } from '../../core/policy/units.ts';
import { LEFT_OUT, ONE_WRITE_PRICE, PRIORITY_PERCENT, SERVICE_TIERS } from './reviewed.ts';

export interface ProviderPrices {
  readonly models: readonly BookModel[];
  /** Models that the book does not hold, with the reason or with what they are billed by that it cannot say. */
  readonly leftOut: readonly { readonly model: string; readonly because: string }[];
}

/** Throws when an amount is not a whole number of micro-dollars. */
export function bookOf(provider: Provider): ProviderPrices {
  const judged = provider.models.map((model) => ({
    model,
    because: LEFT_OUT[`${provider.id}/${model.id}`] ?? reasonToLeaveOut(model),
  }));
  const kept = judged.flatMap(({ model, because }) => (because === undefined ? [model] : []));
  const owners = ownersOfNames(kept);
  const models = kept.map((model) => ({
    model: model.id,
    names: namesOf(model).filter((name) => name !== model.id && owners.get(name) === model.id),
    prices: pricesOf(provider.id, model),
  }));
  const leftOut = judged.flatMap(({ model, because }) =>
    because === undefined ? [] : [{ model: model.id, because }],
  );
  return { models: models.toSorted((a, b) => byText(a.model, b.model)), leftOut };
}

/** Code units, so that the order does not depend on where the script runs. */
function byText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

type RawPrices = ConditionalPrice['prices'];
type RawPrice = RawPrices[string];

/** The classes of a card by the package's names. */
const CLASSES = {
  input: 'input_mtok',
  cachedInput: 'cache_read_mtok',
  cacheWrite5m: 'cache_write_mtok',
  cacheWrite1h: 'cache_write_1h_mtok',
  audioInput: 'input_audio_mtok',
  output: 'output_mtok',
  audioOutput: 'output_audio_mtok',
} as const satisfies Partial<Record<keyof PriceCard, string>>;

const WEB_SEARCHES = 'web_searches_kcount';

/** Cached audio is billed here as audio, which is dearer; searches in files run only where files are kept. */
const NOT_NEEDED: readonly string[] = ['cache_audio_read_mtok', 'storage_searches_kcount'];

const SAYABLE: readonly string[] = [...Object.values(CLASSES), WEB_SEARCHES, ...NOT_NEEDED];

function reasonToLeaveOut(model: ModelInfo): string | undefined {
  const all = periodsOf(model).map(({ prices }) => prices);
  const unsayable = all.flatMap(Object.keys).find((key) => !SAYABLE.includes(key));
  if (unsayable !== undefined) return unsayable;
  if (all.some((prices) => (baseOf(prices[CLASSES.input]) ?? 0) === 0)) return 'no input price';
  const makesOutput = !model.id.includes('embed');
  return makesOutput && all.some((prices) => prices[CLASSES.output] === undefined)
    ? 'no output price'
    : undefined;
}

function periodsOf({ prices }: ModelInfo): readonly ConditionalPrice[] {
  return Array.isArray(prices) ? prices : [{ prices }];
}

/** Prices of hours of the day fold into those of the day they belong to: the dearest of each class. */
function pricesOf(provider: string, model: ModelInfo): BookPrice[] {
  const dated: BookPrice[] = [];
  for (const { constraint, prices } of periodsOf(model)) {
    const terms = termsOf(provider, model.id, prices);
    const last = dated.at(-1);
    if (constraint?.type === 'time_of_date') {
      if (last === undefined) throw new Error(`${model.id}: hours of no day`);
      dated.splice(-1, 1, { ...last, ...dearer(last, terms) });
    } else {
      dated.push({
        ...(constraint === undefined ? {} : { effectiveFrom: constraint.start_date }),
        ...terms,
      });
    }
  }
  const dates = dated.map(({ effectiveFrom = '' }) => effectiveFrom);
  if (dates[0] !== '' || dates.some((date, index) => index > 0 && date <= (dates[index - 1] ?? '')))
    throw new Error(`${model.id}: periods out of order`);
  return dated;
}

function dearer(a: PriceTerms, b: PriceTerms): PriceCard {
  if (a.contextTiers !== undefined || b.contextTiers !== undefined)
    throw new Error('prices by the hour and by the context at once');
  const classes = classNames().flatMap((name): [string, number][] => {
    const found = [a[name], b[name]].filter((price) => price !== undefined);
    return found.length === 0 ? [] : [[name, Math.max(...found)]];
  });
  return { input: a.input, output: a.output, ...Object.fromEntries(classes) };
}

function classNames(): (keyof typeof CLASSES)[] {
  return [
    'input',
    'cachedInput',
    'cacheWrite5m',
    'cacheWrite1h',
    'audioInput',
    'output',
    'audioOutput',
  ];
}

function termsOf(provider: string, model: string, prices: RawPrices): PriceTerms {
  const starts = new Set(
    Object.values(prices).flatMap((price) => tiersOf(price).map(({ start }) => start)),
  );
  const contextTiers = [...starts]
    .toSorted((a, b) => a - b)
    .map((start) => ({ aboveInputTokens: start, ...cardOf(provider, prices, start) }));
  const priority = provider === 'openai' ? PRIORITY_PERCENT[model] : undefined;
  const serviceTiers = {
    ...SERVICE_TIERS[provider],
    ...(priority === undefined ? {} : { priority }),
  };
  const search = baseOf(prices[WEB_SEARCHES]);
  return {
    ...cardOf(provider, prices, 0),
    ...(contextTiers.length === 0 ? {} : { contextTiers }),
    ...(Object.keys(serviceTiers).length === 0 ? {} : { serviceTiers }),
    ...(search === undefined ? {} : { toolCalls: { web_search: nanoPerCall(search) } }),
  };
}

/** The prices of a call whose input is above `start` tokens. */
function cardOf(provider: string, prices: RawPrices, start: number): PriceCard {
  const classes = classNames().flatMap((name): [string, number][] => {
    const price = priceAbove(prices[CLASSES[name]], start);
    return price === undefined ? [] : [[name, microPerMillion(price)]];
  });
  const found = new Map(classes);
  const write = found.get('cacheWrite5m');
  const alike = ONE_WRITE_PRICE.includes(provider) && write !== undefined;
  return {
    input: found.get('input') ?? 0,
    output: 0,
    ...Object.fromEntries(classes),
    ...(alike ? { cacheWrite1h: write } : {}),
  };
}

function tiersOf(price: RawPrice): readonly { start: number; price: number }[] {
  return typeof price === 'object' ? price.tiers : [];
}

function baseOf(price: RawPrice): number | undefined {
  return typeof price === 'object' ? price.base : price;
}

function priceAbove(price: RawPrice, start: number): number | undefined {
  return tiersOf(price).findLast((tier) => tier.start <= start)?.price ?? baseOf(price);
}

/** The one place where a price is a floating-point number; its shortest decimal is what its author wrote. */
function microPerMillion(dollars: number): number {
  const micro = parsePrice(String(dollars));
  if (micro === undefined) throw new Error(`not whole micro-dollars: ${dollars}`);
  return micro;
}

/** Dollars per 1,000 calls are micro-dollars per million calls over 1,000,000: the same digits, in nano-dollars per call. */
function nanoPerCall(dollarsPerThousand: number): number {
  return microPerMillion(dollarsPerThousand);
}

/**
 * Names that a model goes by. Patterns of the package that would match more than a name (anything that
 * contains it, anything that starts with it) count as that name alone: a newer and dearer model must not
 * be taken for an older one because its name begins alike.
 */
function namesOf(model: ModelInfo): string[] {
  const names = [model.id, ...leavesOf(model.match)].map((name) => name.toLowerCase());
  return [...new Set(names.map(withoutRegion))]
    .filter((name) => !name.endsWith('-'))
    .toSorted(byText);
}

function leavesOf(match: MatchLogic): string[] {
  if ('or' in match) return match.or.flatMap(leavesOf);
  if ('equals' in match) return [match.equals];
  if ('starts_with' in match) return [match.starts_with];
  return 'contains' in match ? [match.contains] : [];
}

/** A name of two models is a name of neither, unless it is the very id of one. */
function ownersOfNames(models: readonly ModelInfo[]): ReadonlyMap<string, string | undefined> {
  const owners = new Map<string, string | undefined>();
  for (const model of models)
    for (const name of namesOf(model)) owners.set(name, owners.has(name) ? undefined : model.id);
  for (const { id } of models) owners.set(id, id);
  return owners;
}
