/** What neither package knows or where they disagree, decided by a person who read the provider's own page. */

/** Providers whose prices the book holds. Left out: those who also bill by the request, or resell at changing prices. */
export const BOOK_PROVIDERS = [
  'anthropic',
  'aws',
  'azure',
  'cerebras',
  'cohere',
  'deepseek',
  'fireworks',
  'google',
  'groq',
  'mistral',
  'openai',
  'together',
  'x-ai',
] as const;

/**
 * Whole percents of the standard prices. OpenAI: batch and flex are half price on every model that has
 * them ("Pricing", read through the price lists of 2026-06 and 2026-08). Anthropic: "Batch API, 50 %
 * discount on input and output" (model overviews, 2026-10); its priority tier draws on bought capacity
 * at list prices.
 */
export const SERVICE_TIERS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  openai: { batch: 50, flex: 50 },
  anthropic: { batch: 50, priority: 100 },
};

/** OpenAI, "Priority processing for API customers", read 2026-11-21: its prices over the standard ones. */
export const PRIORITY_PERCENT: Readonly<Record<string, number>> = {
  'gpt-4.1': 175,
  'gpt-5': 200,
  'gpt-5-mini': 180,
  'gpt-5.1': 200,
  'gpt-5.2': 200,
  'gpt-5.4': 200,
  'gpt-5.4-mini': 200,
  'gpt-5.5': 250,
};

/** OpenAI bills cache writes of every retention alike ("Prompt caching": 1.25 times the input from GPT-5.6 on). */
export const ONE_WRITE_PRICE: readonly string[] = ['openai', 'azure'];

/** Models whose price in the first package is under what others say, and no page of the provider settles it: no price here. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  'deepseek/deepseek-v3.2': "a reseller's price, not the vendor's",
  'mistral/mistral-small-latest': 'the model behind the name changed, its price did not',
};

const HOURLY = 'the book has the dearest hour of the day, the second package the cheapest';

/**
 * Models where the second package has another price, with what settled it. Ours is the dearer each time: a
 * difference in which it is the cheaper one cannot be reviewed away, the model must be left out.
 */
export const REVIEWED_DIFFERENCES: Readonly<Record<string, string>> = {
  'anthropic/claude-sonnet-4-5':
    'Anthropic, "Service tiers" (2026-11): above 200,000 tokens its input counts twice and its output 1.5 times',
  'deepseek/deepseek-chat': HOURLY,
  'deepseek/deepseek-reasoner': HOURLY,
  'deepseek/deepseek-v4-flash': HOURLY,
  'deepseek/deepseek-v4-pro': HOURLY,
  'mistral/ministral-3b-2512': 'the second package has the predecessor of 2024',
  'mistral/ministral-8b-latest': 'the second package has the predecessor of 2024',
  'mistral/mistral-embed': 'embeddings make no output',
  'mistral/voxtral-small-24b-2507': 'dearer since 2026-08-11, after the second package looked',
  'openai/gpt-3.5-0301': 'the second package has the price of its successor',
  'openai/gpt-3.5-turbo-0613': 'the second package has the price of its successor',
  'openai/gpt-4o:extended': 'the second package has the price of gpt-4o',
};
