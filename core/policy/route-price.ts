/** The price of a route: its own in the policy file, or the list price of the book in force. */
import { isPriced, priceInForce } from '../catalog/price-book.ts';
import type { Price, PriceCard } from '../catalog/snapshot.ts';
import type { EpochMs } from '../clock.ts';
import type { Policy } from './policy-schema.ts';

type FileProvider = Policy['providers'][string];
type FilePrice = NonNullable<Policy['models'][string]['routes'][number]['price']>;
type FileCard = FilePrice | NonNullable<FilePrice['context_tiers']>[number];

interface Priced {
  readonly model: string;
  /** As the file states it. */
  readonly price: FilePrice | undefined;
  readonly provider: FileProvider;
}

/** The document that a price came from, and the moment for which one is sought. */
interface Edition {
  readonly version: number;
  readonly atMs: EpochMs;
}

/** Undefined where neither the file nor the book has one. */
export function priceOfRoute(
  { model, price, provider }: Priced,
  { version, atMs }: Edition,
): Price | undefined {
  const found = price === undefined ? listPrice(model, provider, atMs) : ownPrice(price, version);
  if (found === undefined || !provider.trust_provider_cost) return found;
  return { ...found, trustsProviderCost: true };
}

/** Where a provider's prices are listed, as far as a checked or an unchecked policy tells. */
export interface Listing {
  readonly base_url?: string | undefined;
  readonly price_book?: string | undefined;
}

export function isListed(model: string, provider: Listing): boolean {
  const book = bookOf(provider);
  return book !== undefined && isPriced({ provider: book, model });
}

/**
 * Vendors whose public address says whose list prices hold. A regional address of the same vendor is not
 * among them, because some cost more there.
 */
const BOOK_OF_HOST: Readonly<Record<string, string>> = {
  'api.anthropic.com': 'anthropic',
  'api.cerebras.ai': 'cerebras',
  'api.cohere.com': 'cohere',
  'api.deepseek.com': 'deepseek',
  'api.fireworks.ai': 'fireworks',
  'api.groq.com': 'groq',
  'api.mistral.ai': 'mistral',
  'api.openai.com': 'openai',
  'api.together.xyz': 'together',
  'api.x.ai': 'x-ai',
  'generativelanguage.googleapis.com': 'google',
};

const BEDROCK = /^bedrock-runtime(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com$/;

function bookOf({ base_url, price_book }: Listing): string | undefined {
  if (price_book !== undefined || base_url === undefined) return price_book;
  const host = URL.canParse(base_url) ? new URL(base_url).host : '';
  if (BEDROCK.test(host)) return 'aws';
  return Object.hasOwn(BOOK_OF_HOST, host) ? BOOK_OF_HOST[host] : undefined;
}

function listPrice(model: string, provider: FileProvider, atMs: EpochMs): Price | undefined {
  const book = bookOf(provider);
  const listed = book === undefined ? undefined : priceInForce({ provider: book, model }, atMs);
  if (listed?.serviceTiers === undefined || provider.premium_tiers) return listed;
  const discounts = Object.entries(listed.serviceTiers).filter(([, percent]) => percent <= 100);
  return { ...listed, serviceTiers: Object.fromEntries(discounts) };
}

/** A price is known by the policy that set it: that document says what it was, forever. */
function ownPrice(file: FilePrice, version: number): Price {
  const { context_tiers: tiers, service_tiers: serviceTiers, web_search } = file;
  const contextTiers = tiers
    ?.map(({ above, ...card }) => ({ aboveInputTokens: above, ...cardOf(card) }))
    .toSorted((a, b) => a.aboveInputTokens - b.aboveInputTokens);
  return {
    version: `policy-${version}`,
    ...cardOf(file),
    ...(contextTiers === undefined ? {} : { contextTiers }),
    ...(serviceTiers === undefined ? {} : { serviceTiers }),
    // Dollars per 1,000 searches have the digits of nano-dollars per search.
    ...(web_search === undefined ? {} : { toolCalls: { web_search } }),
  };
}

function cardOf(file: Omit<FileCard, 'above'>): PriceCard {
  const { cached_input, cache_write_5m, cache_write_1h, audio_input, reasoning, audio_output } =
    file;
  return {
    input: file.input,
    ...(cached_input === undefined ? {} : { cachedInput: cached_input }),
    ...(cache_write_5m === undefined ? {} : { cacheWrite5m: cache_write_5m }),
    ...(cache_write_1h === undefined ? {} : { cacheWrite1h: cache_write_1h }),
    ...(audio_input === undefined ? {} : { audioInput: audio_input }),
    output: file.output,
    ...(reasoning === undefined ? {} : { reasoning }),
    ...(audio_output === undefined ? {} : { audioOutput: audio_output }),
  };
}
