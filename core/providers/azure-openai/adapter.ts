/**
 * Azure OpenAI: OpenAI's dialects at a resource of one's own, where a model's name is a deployment's. Its v1
 * API names the deployment in the body; a dated API version names it in the path and knows no responses.
 * Source: Microsoft, "Azure OpenAI in Microsoft Foundry Models v1 API" and "REST API reference".
 */
import type { Dialect } from '../../dialects/dialect.ts';
import type { Dispatch, ProviderAdapter, UpstreamCall } from '../provider.ts';

const DATED: readonly Dialect[] = ['openai-chat', 'openai-embeddings'];
const V1: readonly Dialect[] = [...DATED, 'openai-responses'];

export const azureOpenAi: ProviderAdapter = {
  speaks: ({ apiVersion }) => (apiVersion === undefined ? V1 : DATED),
  request: azureRequest,
};

function azureRequest(dispatch: Dispatch): UpstreamCall {
  const { stream, apiKey, requestId } = dispatch;
  return {
    url: urlOf(dispatch),
    headers: {
      'content-type': 'application/json',
      accept: stream ? 'text/event-stream' : 'application/json',
      'x-request-id': requestId,
      ...(apiKey === undefined ? {} : { 'api-key': apiKey }),
    },
  };
}

function urlOf({ provider, dialect, model }: Dispatch): string {
  const { baseUrl, apiVersion } = provider;
  if (apiVersion === undefined) return `${baseUrl}/openai/v1/${operationOf(dialect)}`;
  const deployment = encodeURIComponent(model);
  const version = encodeURIComponent(apiVersion);
  return `${baseUrl}/openai/deployments/${deployment}/${operationOf(dialect)}?api-version=${version}`;
}

/** Throws TypeError for a dialect that this kind does not speak: a defect of the registry. */
function operationOf(dialect: Dialect): string {
  switch (dialect) {
    case 'openai-chat':
      return 'chat/completions';
    case 'openai-embeddings':
      return 'embeddings';
    case 'openai-responses':
      return 'responses';
    case 'anthropic-messages':
    case 'bedrock-converse':
      throw new TypeError(`not a dialect of Azure OpenAI: ${dialect}`);
  }
}
