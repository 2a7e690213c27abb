/** OpenAI itself, and any server that is compatible with it: a bearer key, and the dialect's own paths. */
import type { Dialect } from '../../dialects/dialect.ts';
import type { Dispatch, ProviderAdapter, UpstreamCall } from '../provider.ts';

export const openAi: ProviderAdapter = {
  speaks: ['openai-chat', 'openai-responses', 'openai-embeddings'],
  request: openAiRequest,
};

/** `baseUrl` ends before `/v1`. */
export function openAiRequest(dispatch: Dispatch): UpstreamCall {
  const { provider, dialect, stream, apiKey, requestId } = dispatch;
  return {
    url: `${provider.baseUrl}${pathOf(dialect)}`,
    headers: {
      'content-type': 'application/json',
      accept: stream ? 'text/event-stream' : 'application/json',
      'x-request-id': requestId,
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    },
  };
}

/** Throws TypeError for a dialect that no server of this kind speaks: a defect of the registry. */
function pathOf(dialect: Dialect): string {
  switch (dialect) {
    case 'openai-chat':
      return '/v1/chat/completions';
    case 'openai-embeddings':
      return '/v1/embeddings';
    case 'openai-responses':
      return '/v1/responses';
    case 'anthropic-messages':
    case 'bedrock-converse':
      throw new TypeError(`not a dialect of OpenAI's servers: ${dialect}`);
  }
}
