/** A small valid policy, one value a line, so that a test can break exactly one line of it. */
export const SMALL_POLICY = `time_zone: Europe/Berlin
providers:
  main:
    kind: openai
    base_url: https://api.example.com/
    secret: main-key
models:
  fast:
    tier: shared
    context_tokens: 128K
    max_output_tokens: 8K
    default_max_output_tokens: 1K
    routes:
      - provider: main
        model: small-1
        price: { input: $0.10, output: 0.4 }
  clever:
    tier: premium
    context_tokens: 128K
    max_output_tokens: 8K
    default_max_output_tokens: 1K
    routes:
      - provider: main
        model: big-1
        free: true
alert_channels:
  finance: { email: finance@example.com }
tenants:
  acme:
    teams:
      search:
        owner: Ada
        tiers: [shared]
        models: [fast]
        limits:
          tokens_per_minute: 50K
          monthly_budget: $100
        alerts: { at_percent: [80], notify: [finance] }
    projects:
      web: { team: search }
    keys:
      web-1:
        project: web
        owner: Ada
        expires: 2027-01-31T00:00:00Z
`;

/** The policy with the first occurrence of `line`'s text replaced, and the number of the line it stands in. */
export function broken(original: string, replacement: string): { text: string; line: number } {
  const index = SMALL_POLICY.indexOf(original);
  if (index < 0) throw new Error(`not in the policy: ${original}`);
  const line = SMALL_POLICY.slice(0, index).split('\n').length;
  return { text: SMALL_POLICY.replace(original, () => replacement), line };
}
