/** Anthropic itself, and servers that speak its dialect: its key in `x-api-key`, and one version of the API. */
import type { Dispatch, ProviderAdapter, UpstreamCall } from '../provider.ts';

export const anthropic: ProviderAdapter = {
  speaks: ['anthropic-messages'],
  request: anthropicRequest,
};

/** The version that this gateway reads and writes; a caller's own never travels on. */
const VERSION = '2023-06-01';

/** `baseUrl` ends before `/v1`. */
function anthropicRequest({ provider, task, stream, apiKey, requestId }: Dispatch): UpstreamCall {
  const path = task === 'count-tokens' ? '/v1/messages/count_tokens' : '/v1/messages';
  return {
    url: `${provider.baseUrl}${path}`,
    headers: {
      'content-type': 'application/json',
      accept: stream ? 'text/event-stream' : 'application/json',
      'anthropic-version': VERSION,
      'x-request-id': requestId,
      ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }),
    },
  };
}
