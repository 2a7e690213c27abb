import { MODELS } from './models.ts';

/** A key of this name in the environment makes `npm start` call the address below and not its own simulated provider. */
export const PROVIDER_KEY_VARIABLE = 'BENCH_API_KEY';

/** The limits of the busy scopes of `--hot`: far above 500 calls a second, and a minute that is soon spent. */
export const HOT_CALLS_PER_MINUTE = 6_000;

/** All calls of a busy tenant come by one key. */
export const HOT_PROJECT = 'hot';
export const SPENT_PROJECT = 'spent';

/** One policy for every gateway of a run. All five limits of the first team are checked and none is ever reached. */
export function benchPolicy(providerUrl: string): string {
  const models = Object.values(MODELS).map(
    ({ name }) => `
  ${name}:
    tier: shared
    context_tokens: 400K
    max_output_tokens: 16K
    default_max_output_tokens: 400
    routes: [{ provider: bench, model: ${name}, price: { input: $0.25, output: $2.00 } }]
  hot-${name}:
    tier: shared
    context_tokens: 400K
    max_output_tokens: 16K
    default_max_output_tokens: 400
    routes: [{ provider: hot, model: ${name}, price: { input: $0.25, output: $2.00 } }]`,
  );
  const baseUrl = JSON.stringify(providerUrl);
  return `time_zone: UTC
providers:
  bench: { kind: openai, base_url: ${baseUrl} }
  hot: { kind: openai, base_url: ${baseUrl}, limits: { requests_per_minute: 48K, tokens_per_minute: 1000M } }
models:${models.join('')}
tenants:
  bench:
    teams:
      bench:
        owner: bench@example.com
        limits: { requests_per_second: 100K, tokens_per_minute: 1000M, concurrent_requests: 1K, monthly_quota: 100000M, monthly_budget: "$100,000" }
      leased:
        owner: bench@example.com
        limits: { monthly_quota: 100000M, monthly_budget: "$100,000" }
    projects:
      bench: { team: bench }
      leased: { team: leased }
  hot:
    limits: { requests_per_minute: 48K, tokens_per_minute: 1000M, monthly_budget: "$100,000" }
    teams:
      hot: { owner: bench@example.com }
    projects:
      ${HOT_PROJECT}: { team: hot }
  spent:
    limits: { requests_per_minute: ${HOT_CALLS_PER_MINUTE} }
    teams:
      spent: { owner: bench@example.com }
    projects:
      ${SPENT_PROJECT}: { team: spent }${STRANGERS.map(stranger).join('')}
`;
}

/** A tenant of whom a gateway has seen nothing until its first call. */
function stranger(name: string): string {
  return `
  ${name}:
    teams:
      ${name}: { owner: bench@example.com, limits: { requests_per_minute: 600, monthly_budget: "$100" } }
    projects:
      ${name}: { team: ${name} }`;
}

export const STRANGERS = Array.from({ length: 10 }, (_, index) => `stranger${index}`);

/** Its team has no limit on calls at a time: accounts with one are never leased (ADR 0016). */
export const LEASED_PROJECT = 'leased';

/** The projects of the policy; each has a key of its own. */
export const PROJECTS = ['bench', LEASED_PROJECT, HOT_PROJECT, SPENT_PROJECT, ...STRANGERS];
