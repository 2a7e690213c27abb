import type { Provider } from '../catalog/snapshot.ts';
import type { Dialect } from '../dialects/dialect.ts';
import { anthropic } from './anthropic/adapter.ts';
import { azureOpenAi } from './azure-openai/adapter.ts';
import { bedrock } from './bedrock/adapter.ts';
import { openAi } from './openai/adapter.ts';
import { openAiCompatible } from './openai-compatible/adapter.ts';
import type { ProviderAdapter } from './provider.ts';
import { vllm } from './vllm/adapter.ts';

export const PROVIDERS: Readonly<Record<Provider['kind'], ProviderAdapter>> = {
  openai: openAi,
  anthropic,
  'azure-openai': azureOpenAi,
  bedrock,
  'openai-compatible': openAiCompatible,
  vllm,
};

/** The dialects that this provider's server speaks, the best for translated calls first. */
export function spokenBy(provider: Provider): readonly Dialect[] {
  const { speaks } = PROVIDERS[provider.kind];
  return typeof speaks === 'function' ? speaks(provider) : speaks;
}
