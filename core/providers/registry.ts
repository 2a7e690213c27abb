import type { Provider } from '../catalog/snapshot.ts';
import { anthropic } from './anthropic/adapter.ts';
import { openAi } from './openai/adapter.ts';
import type { ProviderAdapter } from './provider.ts';
import { vllm } from './vllm/adapter.ts';

export const PROVIDERS: Readonly<Record<Provider['kind'], ProviderAdapter>> = {
  openai: openAi,
  anthropic,
  vllm,
};
