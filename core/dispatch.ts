/**
 * The call on its way to a provider: routes in their order, the key of each, the call in the provider's
 * words. Falls back only while nothing can have been billed; after that the one attempt is the answer.
 */
import type { Ahead } from './ahead.ts';
import { type Attempt, openAttempt } from './attempt.ts';
import type { Route } from './catalog/snapshot.ts';
import { asGatewayError, GatewayError } from './errors.ts';
import { prepareAttempt, servingRoutes, type Terms } from './prepare.ts';
import { isWorthAnotherRoute, UpstreamFault } from './providers/upstream.ts';
import type { GatewayRequest, Ports } from './serve.ts';
import type { CallBooks } from './usage/books.ts';
import type { TokenUsage } from './usage/tokens.ts';

export interface Dispatch extends Omit<Terms, 'reserve'> {
  /** Aborted when the caller does not want the answer any more. */
  readonly cancelled: AbortSignal;
  readonly books: CallBooks;
  /** The first route, where it was made ready while the call was reserved. */
  readonly ahead?: Ahead | undefined;
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
  for (const [index, route] of routes.entries()) {
    const ahead = index === 0 ? dispatch.ahead : undefined;
    try {
      return await tryRoute(ports, request, { ...dispatch, route, ahead });
    } catch (thrown) {
      last = asGatewayError(thrown);
      const mayBeBilled = last instanceof UpstreamFault && last.phase !== 'unsent';
      if (mayBeBilled || !isWorthAnotherRoute(last) || dispatch.cancelled.aborted) break;
      ports.report('route failed', last);
    }
  }
  throw last ?? new GatewayError('upstream_error', 'The model has no route.');
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
  const { ahead, route, cancelled, books } = dispatch;
  if (ahead !== undefined) cancelled.addEventListener('abort', ahead.giveUp, { once: true });
  const prepared = await (ahead?.prepared ?? prepareAttempt(ports, request, dispatch));
  books.dispatched(route);
  try {
    return await openAttempt(ports, { ...prepared, cancelled, books }, ahead?.response);
  } catch (thrown) {
    if (!isKeyRejected(thrown)) throw thrown;
    // A key rotated at the provider: read the secret once more, and try again only if it changed.
    const { provider, apiKey } = prepared;
    const freshKey = await ports.providerKeys.get(provider, { afterRejection: true });
    if (freshKey === apiKey) throw thrown;
    const again = await prepareAttempt(ports, request, { ...dispatch, freshKey });
    books.dispatched(route);
    return openAttempt(ports, { ...again, cancelled, books });
  }
}

function isKeyRejected(thrown: unknown): boolean {
  return thrown instanceof GatewayError && thrown.code === 'upstream_misconfigured';
}
