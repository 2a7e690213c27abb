/**
 * Any server that speaks OpenAI's chat: a vendor's compatible endpoint, a router, a model server. The
 * policy says what cannot be known from here: where its paths begin, which name it has for the maximum
 * of output tokens, and whether it makes embeddings.
 */
import type { Dispatch, ProviderAdapter, UpstreamCall } from '../provider.ts';

/** What most compatible servers do, and none refuses for its dialect's sake. */
const MAX_TOKENS_FIELD = 'max_tokens';

export const openAiCompatible: ProviderAdapter = {
  speaks: ({ embeddings }) =>
    embeddings === true ? ['openai-chat', 'openai-embeddings'] : ['openai-chat'],
  maxTokensField: ({ maxTokensField }) => maxTokensField ?? MAX_TOKENS_FIELD,
  request: compatibleRequest,
};

function compatibleRequest(dispatch: Dispatch): UpstreamCall {
  const { provider, dialect, stream, apiKey } = dispatch;
  const operation = dialect === 'openai-embeddings' ? 'embeddings' : 'chat/completions';
  return {
    url: `${provider.baseUrl}${provider.apiPath ?? '/v1'}/${operation}`,
    headers: {
      'content-type': 'application/json',
      accept: stream ? 'text/event-stream' : 'application/json',
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    },
  };
}
