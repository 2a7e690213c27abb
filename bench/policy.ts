import { LOADS } from './loads.ts';

/** A key of this name in the environment makes `npm start` call the address below and not its own simulated provider. */
export const PROVIDER_KEY_VARIABLE = 'BENCH_API_KEY';

/** One policy for every gateway of a run. All five limits of a team are checked and none is ever reached. */
export function benchPolicy(providerUrl: string): string {
  const models = Object.values(LOADS).map(
    ({ alias, upstream }) => `
  ${alias}:
    tier: shared
    context_tokens: 128K
    max_output_tokens: 16K
    default_max_output_tokens: 400
    routes: [{ provider: bench, model: ${upstream}, price: { input: $0.25, output: $2.00 } }]`,
  );
  return `time_zone: UTC
providers:
  bench: { kind: openai, base_url: ${JSON.stringify(providerUrl)} }
models:${models.join('')}
tenants:
  bench:
    teams:
      bench:
        owner: bench@example.com
        limits: { requests_per_second: 100K, tokens_per_minute: 1000M, concurrent_requests: 1K, monthly_quota: 100000M, monthly_budget: "$100,000" }
    projects:
      bench: { team: bench }
`;
}
