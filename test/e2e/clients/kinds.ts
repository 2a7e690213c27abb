/** One alias for each kind of provider, and the policy that says so: examples/every-provider.yaml is written from here. */
import { stringify } from 'yaml';
import { PROVIDERS } from '../../../core/providers/registry.ts';

export interface Kind {
  readonly kind: string;
  readonly alias: string;
  /** Fields of the provider in the policy. */
  readonly provider: Readonly<Record<string, string>>;
  /** The model's name at the provider; what it does stands in the prompts. */
  readonly model: string;
}

/** Kinds that the gateway does not have are left out of the policy, and so of the matrix. */
export const KINDS: readonly Kind[] = [
  {
    kind: 'openai',
    alias: 'sim-openai',
    provider: { base_url: 'https://api.openai.com', secret: 'openai' },
    model: 'sim-small',
  },
  {
    kind: 'anthropic',
    alias: 'sim-anthropic',
    provider: { base_url: 'https://api.anthropic.com', secret: 'openai' },
    model: 'sim-small',
  },
  {
    kind: 'bedrock',
    alias: 'sim-bedrock',
    provider: { region: 'eu-west-1' },
    // The rules of Converse follow the model's name, so this one is Claude's.
    model: 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0+ttft=0+tps=1000000',
  },
  {
    kind: 'azure-openai',
    alias: 'sim-azure',
    provider: { base_url: 'https://resource.openai.azure.com', secret: 'openai' },
    model: 'sim-small',
  },
  {
    kind: 'vllm',
    alias: 'sim-vllm',
    provider: { base_url: 'http://vllm.internal:8000' },
    model: 'sim-small',
  },
  {
    kind: 'openai-compatible',
    alias: 'sim-compatible',
    provider: { base_url: 'https://compatible.example' },
    model: 'sim-small',
  },
].filter(({ kind }) => Object.hasOwn(PROVIDERS, kind));

const HEADER = `# Every kind of provider that Tollgate has, each behind an alias of its own. Written by \`npm run compatibility\`.
#
# Without provider keys in the environment all of them are simulated: \`npm start -- --policy examples/every-provider.yaml\`.
# Words like \`sim+calls=2+tokens=40\` in a prompt say how the simulated model acts; docs/local.md has more.
`;

export function matrixPolicy(): string {
  const models = KINDS.map(({ alias, kind, model }) => [
    alias,
    {
      tier: 'shared',
      context_tokens: '128K',
      max_output_tokens: '16K',
      default_max_output_tokens: 4000,
      routes: [{ provider: kind, model, price: { input: '$1', output: '$8' } }],
    },
  ]);
  const policy = stringify({
    time_zone: 'UTC',
    providers: Object.fromEntries(KINDS.map(({ kind, provider }) => [kind, { kind, ...provider }])),
    models: Object.fromEntries(models),
    tenants: {
      acme: {
        teams: { open: { owner: 'open@example.com', limits: { monthly_budget: '$10,000' } } },
        projects: { open: { team: 'open' } },
      },
    },
  });
  return `${HEADER}\n${policy}`;
}
