/** A call made ready for one route: the provider, its key, and the call in the provider's words. Sends nothing. */
import type { Provider, Route } from './catalog/snapshot.ts';
import type { EpochMs } from './clock.ts';
import type { Call, Exchange } from './dialects/call.ts';
import { dialectFor, openExchange } from './dialects/exchange.ts';
import { GatewayError } from './errors.ts';
import type { ReserveCall } from './limits/accounts.ts';
import type {
  ProviderAdapter,
  Dispatch as ProviderRequest,
  UpstreamCall,
} from './providers/provider.ts';
import { PROVIDERS, spokenBy } from './providers/registry.ts';
import type { Selection } from './routing/select-routes.ts';
import type { GatewayRequest, Ports } from './serve.ts';
import type { Caller } from './tenancy/authenticate.ts';
import type { Priority } from './tenancy/priority.ts';

/** What is known of a call before anything is reserved. */
export interface Terms {
  readonly caller: Caller;
  readonly call: Call;
  readonly selection: Selection;
  readonly priority: Priority;
  readonly maxOutputTokens: number;
  readonly deadlineMs: EpochMs;
  readonly reserve: ReserveCall;
}

export interface Prepared {
  readonly route: Route;
  readonly provider: Provider;
  readonly apiKey: string | undefined;
  readonly call: Call;
  readonly exchange: Exchange;
  readonly upstream: UpstreamCall;
  readonly maxOutputTokens: number;
  readonly requestId: string;
  readonly deadlineMs: EpochMs;
}

type RoutedCall = Omit<Terms, 'reserve'> & { readonly route: Route };

/** With another key than the one in the cache, if `freshKey` says so. Throws GatewayError where the route cannot serve the call. */
export async function prepareAttempt(
  { clock, providerKeys }: Pick<Ports, 'clock' | 'providerKeys'>,
  { requestId }: GatewayRequest,
  routed: RoutedCall & { readonly freshKey?: string | undefined },
): Promise<Prepared> {
  const { caller, call, route, priority, maxOutputTokens, deadlineMs, freshKey } = routed;
  const provider = caller.policy.providers[route.provider];
  if (provider === undefined)
    throw new GatewayError('upstream_misconfigured', 'The route of this model has no provider.', {
      cause: route.provider,
    });
  const adapter = PROVIDERS[provider.kind];
  const [apiKey, cacheSecret] = await Promise.all([
    freshKey ?? providerKeys.get(provider),
    adapter.sharesCache === true ? providerKeys.cacheSecret() : undefined,
  ]);
  const dialect = dialectFor(call, spokenBy(provider));
  if (dialect === undefined)
    throw new GatewayError('invalid_request', 'This model cannot serve this kind of request.', {
      param: 'model',
    });
  const { model } = route;
  const { tenantId } = caller.key;
  const extra = adapter.extra?.({ provider, dialect, tenantId, priority, cacheSecret }) ?? {};
  const { chatRules } = adapter;
  const maxTokensField = adapter.maxTokensField?.(provider);
  const exchange = await openExchange(
    call,
    {
      dialect,
      model,
      maxOutputTokens,
      extra,
      ...(chatRules === undefined ? {} : { chatRules }),
      ...(maxTokensField === undefined ? {} : { maxTokensField }),
    },
    { requestId, model: call.alias, createdAtSeconds: Math.floor(clock.nowMs() / 1000) },
  );
  const { task, stream } = call;
  const asked = { provider, dialect, task, model, stream, apiKey, requestId };
  const upstream = upstreamCall(call, adapter, asked);
  return {
    route,
    provider,
    apiKey,
    call,
    exchange,
    upstream,
    maxOutputTokens,
    requestId,
    deadlineMs,
  };
}

/** All routes, each with its own word on what it cannot serve; but those alone that can, where the gateway could answer itself. */
export function servingRoutes({
  call,
  caller,
  selection,
}: Pick<Terms, 'call' | 'caller' | 'selection'>): readonly Route[] {
  if (call.ownAnswer === undefined) return selection.routes;
  return selection.routes.filter(({ provider }) => {
    const config = caller.policy.providers[provider];
    return config !== undefined && spokenBy(config).includes(call.dialect);
  });
}

/** What the caller's dialect lets through travels on to providers of that dialect alone, and beneath their own headers. */
function upstreamCall(
  { dialect, headers }: Call,
  adapter: ProviderAdapter,
  request: ProviderRequest,
): UpstreamCall {
  const upstream = adapter.request(request);
  if (request.dialect !== dialect) return upstream;
  return { ...upstream, headers: { ...headers, ...upstream.headers } };
}
