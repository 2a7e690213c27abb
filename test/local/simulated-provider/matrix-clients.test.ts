import { describe, expect, it } from 'vitest';
import { aiSdkAnthropic, aiSdkChat, aiSdkResponses } from '../../e2e/clients/ai-sdk.ts';
import { anthropicMessages } from '../../e2e/clients/anthropic-messages.ts';
import { FEATURES } from '../../e2e/clients/features.ts';
import { langChain } from '../../e2e/clients/langchain.ts';
import { openAiChat } from '../../e2e/clients/openai-chat.ts';
import { openAiResponses } from '../../e2e/clients/openai-responses.ts';
import { startForTest } from './provider-under-test.ts';

/** Without the gateway between them: what the matrix finds is then the gateway's doing. */
const { cancel: _needsBooks, ...features } = FEATURES;

describe.each([
  openAiChat,
  openAiResponses,
  anthropicMessages,
  aiSdkChat,
  aiSdkResponses,
  aiSdkAnthropic,
  langChain,
])('$name, straight to the provider', (client) => {
  it.each(Object.entries(features))('has %s', async (_feature, check) => {
    const { provider } = await startForTest();
    const place = { url: provider.url, key: 'key', model: 'sim-small' };
    const nobody = () => Promise.reject(new Error('no gateway here'));
    const gateway = { providerUrl: provider.url, keyOf: nobody, get: nobody };
    await expect(check({ gateway, client, place })).resolves.not.toThrow();
  });
});
