/** docs/prices.md: how prices work here, what the book holds, and where the two packages differ. */
import type { CrossCheck, Difference } from './cross-check.ts';
import type { ProviderPrices } from './from-genai-prices.ts';
import { REVIEWED_DIFFERENCES } from './reviewed.ts';

interface Synced {
  readonly source: string;
  readonly second: string;
  readonly sold: readonly (ProviderPrices & { readonly id: string })[];
  readonly check: CrossCheck;
}

export function pricesPage({ source, second, sold, check }: Synced): string {
  const held = sold.map(({ id, models, leftOut }) => [
    id,
    String(models.length),
    String(models.filter(({ prices }) => prices.length > 1).length),
    reasons(leftOut),
  ]);
  const differences = check.differences.map((each) => [
    `${each.provider}/${each.model}`,
    each.priceClass,
    dollars(each.ours),
    dollars(each.theirs),
    reasonFor(each),
  ]);
  return `${GUIDE}
## What the book holds

From \`${source}\`, in dollars exact to the micro-dollar per million tokens.

${table(['provider', 'models', 'with dated changes', 'left out, and why or by what they are billed'], held)}

## Where a second source differs

\`${second}\` against the book, prices in force on ${check.day}, of providers that sell their own models:
${check.compared} models compared, ${check.unknownThere} unknown there. Every difference above 0.1 % is listed and must have been reviewed.

${table(['model', 'class', 'book, $ per million', 'second', 'reviewed'], differences)}
`;
}

const GUIDE = `<!-- Written by scripts/sync-prices.ts; change that, then run npm run sync-prices. -->
# Prices

A call is refused when nobody can say what it may cost. A route has a price of its own in the policy, or
the list price of the price book, or says \`free: true\`; a route with none of them fails the policy with
its line and path.

## Where a route's price comes from

1. \`price\` on the route: your contract's. It wins.
2. The price book, by the provider and the model's name. Which book follows from the provider's
   \`base_url\` where that is the vendor's own public address; elsewhere \`price_book\` on the provider names it.
   The entry in force when the policy is applied is copied into it, with its version
   (\`genai-prices@0.1.8/openai/gpt-5.6-sol@2026-08-21\`), and stays until a policy is applied again.
   A name matches exactly, or without its date, or, on Bedrock, without region and version; never by its beginning.

\`\`\`yaml
providers:
  openai: { kind: openai, base_url: https://api.openai.com, secret: openai } # prices of the book "openai"
  lab: { kind: openai, base_url: https://llm.example.com, price_book: groq }
  router: { kind: openai, base_url: https://openrouter.ai/api, trust_provider_cost: true } # see below
\`\`\`

## What a price says

All in dollars per million tokens but \`web_search\`, which is per 1,000 searches.

| key | of | when it is missing |
|---|---|---|
| \`input\`, \`output\` | text and image input; text and reasoning output | required |
| \`cached_input\` | input read from the provider's cache | \`input\` |
| \`cache_write_5m\` | input written to the cache for five minutes, or for the one duration there is | \`cache_write_1h\`, else \`input\`: name it for vendors that charge extra |
| \`cache_write_1h\` | written for an hour | twice \`input\` where five-minute writes cost extra, else as those |
| \`audio_input\`, \`audio_output\` | audio | the price of text beside it |
| \`reasoning\` | reasoning, where it differs from \`output\` | \`output\` |
| \`context_tiers\` | prices of the whole call when its input is above so many tokens | none |
| \`service_tiers\` | percents of these prices by the tier that served the call; \`batch\` is one | 100 % |
| \`web_search\` | searches that the provider makes | $35, the dearest list price known |

A tier that is not listed counts as the dearest that is, never under 100 %. The book's tiers above 100 %
(OpenAI's \`priority\`) hold only for a provider with \`premium_tiers: true\`, because every call's hold
must then allow for them.

The hold of a call takes the dearest class, context tier and service tier that it can reach. What it is
charged is the sum over its classes in whole pico-dollars, rounded up once to a nano-dollar.

## The provider's own figure

With \`trust_provider_cost: true\` on a provider, the cost that it reports for a call (OpenRouter's
\`usage.cost\`, xAI's \`cost_in_usd_ticks\`) is what the call is charged, and the event's
\`price_version\` ends in \`+provider-cost\`. Without a figure, or with the caller's own key at the
provider (\`is_byok\`), the prices above count. The hold is by these prices always.

## What is not in a price

Regional surcharges outside the model's name (Anthropic's \`inference_geo\`, OpenAI's regional
addresses), Anthropic's fast mode, fine-tuned models, advisor models, files and their searches: the gateway
does not send such requests on, or the route needs a price of its own. Where a provider bills by the hour
of the day (DeepSeek), the book takes the dearest hour.
`;

function reasons(leftOut: ProviderPrices['leftOut']): string {
  return leftOut.map(({ model, because }) => `${model} (${because})`).join(', ');
}

function reasonFor({ provider, model }: Difference): string {
  return REVIEWED_DIFFERENCES[`${provider}/${model}`] ?? 'NOT REVIEWED';
}

function dollars(micro: number): string {
  return String(micro / 1e6);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}
