/**
 * The call on its way to a provider: routes in their order, the key of each, the call in the provider's
 * words. Falls back only while nothing can have been billed; after that the one attempt is the answer.
 */
import { type Attempt, type AttemptRequest, openAttempt } from './attempt.ts';
import type { Provider, Route } from './catalog/snapshot.ts';
import type { EpochMs } from './clock.ts';
import type { Call } from './dialects/call.ts';
import { dialectFor, openExchange } from './dialects/exchange.ts';
import { asGatewayError, GatewayError } from './errors.ts';
import type {
  ProviderAdapter,
  Dispatch as ProviderRequest,
  UpstreamCall,
} from './providers/provider.ts';
import { PROVIDERS, spokenBy } from './providers/registry.ts';
import { isWorthAnotherRoute, UpstreamFault } from './providers/upstream.ts';
import type { Selection } from './routing/select-routes.ts';
import type { GatewayRequest, Ports } from './serve.ts';
import type { Caller } from './tenancy/authenticate.ts';
import type { Priority } from './tenancy/priority.ts';
import type { CallBooks } from './usage/books.ts';
import type { TokenUsage } from './usage/tokens.ts';

export interface Dispatch {
  readonly caller: Caller;
  readonly call: Call;
  readonly selection: Selection;
  readonly priority: Priority;
  readonly maxOutputTokens: number;
  readonly deadlineMs: EpochMs;
  /** Aborted when the caller does not want the answer any more. */
  readonly cancelled: AbortSignal;
  readonly books: CallBooks;
}

/** Tries the routes in order until one answers; falls back only while nothing can have been billed. */
export async function firstAnswer(
  ports: Ports,
  request: GatewayRequest,
  dispatch: Dispatch,
): Promise<Attempt> {
  const routes = servingRoutes(dispatch);
  const [first] = dispatch.selection.routes;
  if (routes.length === 0 && first !== undefined && dispatch.call.ownAnswer !== undefined)
    return ownAttempt(dispatch.call.ownAnswer(), first, dispatch.books);
  let last: GatewayError | undefined;
  for (const candidate of routes) {
    try {
      return await tryRoute(ports, request, { ...dispatch, route: candidate });
    } catch (thrown) {
      last = asGatewayError(thrown);
      const mayBeBilled = last instanceof UpstreamFault && last.phase !== 'unsent';
      if (mayBeBilled || !isWorthAnotherRoute(last) || dispatch.cancelled.aborted) break;
      ports.report('route failed', last);
    }
  }
  throw last ?? new GatewayError('upstream_error', 'The model has no route.');
}

/** All routes, each with its own word on what it cannot serve; but those alone that can, where the gateway could answer itself. */
function servingRoutes({ call, caller, selection }: Dispatch): readonly Route[] {
  if (call.ownAnswer === undefined) return selection.routes;
  return selection.routes.filter(({ provider }) => {
    const config = caller.policy.providers[provider];
    return config !== undefined && spokenBy(config).includes(call.dialect);
  });
}

function ownAttempt(body: string, route: Route, books: CallBooks): Attempt {
  books.dispatched(route);
  books.answered();
  return {
    facts: books.facts,
    dropped: [],
    answer: ({ headers }) => ({
      status: 200,
      headers: { ...headers, 'content-type': 'application/json', 'x-tollgate-estimated': 'true' },
      body,
      closed: books.finished({ outcome: 'ok', usage: NOTHING_USED, estimatedOutputTokens: 0 }),
    }),
  };
}

const NOTHING_USED: TokenUsage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  reasoningTokens: undefined,
};

async function tryRoute(
  ports: Ports,
  request: GatewayRequest,
  dispatch: Dispatch & { readonly route: Route },
): Promise<Attempt> {
  const { caller, route: candidate } = dispatch;
  const provider = caller.policy.providers[candidate.provider];
  if (provider === undefined)
    throw new GatewayError('upstream_misconfigured', 'The route of this model has no provider.', {
      cause: candidate.provider,
    });
  const { providerKeys } = ports;
  const { sharesCache } = PROVIDERS[provider.kind];
  const [apiKey, cacheSecret] = await Promise.all([
    providerKeys.get(provider),
    sharesCache === true ? providerKeys.cacheSecret() : undefined,
  ]);
  const attempt = async (key: string | undefined) => {
    const route = { ...dispatch, provider, cacheSecret, apiKey: key };
    return openAttempt(ports, await attemptRequest(ports, request, route));
  };
  try {
    return await attempt(apiKey);
  } catch (thrown) {
    if (!isKeyRejected(thrown)) throw thrown;
    // A key rotated at the provider: read the secret once more, and try again only if it changed.
    const fresh = await providerKeys.get(provider, { afterRejection: true });
    if (fresh === apiKey) throw thrown;
    return attempt(fresh);
  }
}

/** The call in the provider's words. Throws GatewayError, before anything is sent, where there are none for it. */
async function attemptRequest(
  { clock }: Ports,
  request: GatewayRequest,
  dispatch: Dispatch & {
    readonly route: Route;
    readonly provider: Provider;
    readonly cacheSecret: string | undefined;
    readonly apiKey: string | undefined;
  },
): Promise<AttemptRequest> {
  const { caller, call, route: candidate, provider, cacheSecret, apiKey } = dispatch;
  const { priority, maxOutputTokens, deadlineMs, cancelled, books } = dispatch;
  const { requestId } = request;
  const adapter = PROVIDERS[provider.kind];
  const dialect = dialectFor(call, spokenBy(provider));
  if (dialect === undefined)
    throw new GatewayError('invalid_request', 'This model cannot serve this kind of request.', {
      param: 'model',
    });
  const { model } = candidate;
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
  books.dispatched(candidate);
  return {
    provider,
    call,
    exchange,
    upstream: upstreamCall(call, adapter, {
      provider,
      dialect,
      task: call.task,
      model,
      stream: call.stream,
      apiKey,
      requestId,
    }),
    maxOutputTokens,
    requestId,
    deadlineMs,
    cancelled,
    books,
  };
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

function isKeyRejected(thrown: unknown): boolean {
  return thrown instanceof GatewayError && thrown.code === 'upstream_misconfigured';
}
