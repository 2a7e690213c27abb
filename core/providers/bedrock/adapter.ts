/**
 * Amazon Bedrock through its Converse API. The function's own role is the credential: the call is signed
 * where it is sent. A route's provider may name a secret instead, which then holds a Bedrock API key.
 */
import { GatewayError } from '../../errors.ts';
import type { Dispatch, ProviderAdapter, UpstreamCall } from '../provider.ts';

/** The service's name in a signature; its host is `bedrock-runtime`. */
const SIGNED_AS = 'bedrock';

export const bedrock: ProviderAdapter = { speaks: ['bedrock-converse'], request: bedrockRequest };

export function bedrockBaseUrl(region: string): string {
  const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  return `https://bedrock-runtime.${region}.${suffix}`;
}

function bedrockRequest({ provider, model, stream, apiKey }: Dispatch): UpstreamCall {
  // A model may be an ARN: its colons and slashes are part of one segment of the path.
  const url = `${provider.baseUrl}/model/${encodeURIComponent(model)}/${stream ? 'converse-stream' : 'converse'}`;
  const headers = {
    'content-type': 'application/json',
    accept: stream ? 'application/vnd.amazon.eventstream' : 'application/json',
  };
  if (apiKey !== undefined)
    return { url, headers: { ...headers, authorization: `Bearer ${apiKey}` } };
  const { region } = provider;
  if (region === undefined)
    throw new GatewayError(
      'upstream_misconfigured',
      'The gateway is not set up correctly for this model. Its operators can see why.',
      { cause: `provider ${provider.id} has no region` },
    );
  return { url, headers, sign: { service: SIGNED_AS, region } };
}
