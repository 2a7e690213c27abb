/**
 * The first route of a call, made ready while the room for the call is being reserved: its key read, its body in
 * the provider's words, its connection open. It is never written whole before the room is held, whatever the call
 * costs: a process that dies in between must not leave a call that nobody has a record of (ADR 0027). A long one that
 * will probably have its room is on its way meanwhile, all but its end (ADR 0041).
 */
import { sendAttempt } from './attempt.ts';
import { type Prepared, prepareAttempt, servingRoutes, type Terms } from './prepare.ts';
import type { UpstreamResponse } from './providers/upstream.ts';
import type { GatewayRequest, Ports } from './serve.ts';

export interface Ahead {
  readonly prepared: Promise<Prepared>;
  readonly response: Promise<UpstreamResponse>;
  /** The call has its room. Resolves when it is on its way, if its connection is there. */
  begin(): Promise<void>;
  giveUp(): void;
}

/** Undefined where the call has no route, or will probably be refused: a connection for nothing helps nobody. */
export function makeReady(
  ports: Ports,
  request: GatewayRequest,
  { isOld, ...terms }: Terms & { readonly isOld: boolean },
): Ahead | undefined {
  const [route] = servingRoutes(terms);
  if (route === undefined || ports.accounts.refusedLately(terms.reserve)) return undefined;
  const onlyEndWaits = () => !isOld && ports.accounts.hadPlenty(terms.reserve);
  const mayBegin = Promise.withResolvers<void>();
  const givenUp = new AbortController();
  const prepared = prepareAttempt(ports, request, { ...terms, route });
  const response = prepared.then((attempt) => {
    givenUp.signal.throwIfAborted();
    const when = { signal: givenUp.signal, mayBegin: mayBegin.promise, onlyEndWaits };
    return sendAttempt(ports, attempt, when);
  });
  // Whoever takes the call over sees its fault; given up, nobody has to.
  response.catch(() => undefined);
  return {
    prepared,
    response,
    begin() {
      mayBegin.resolve();
      return mayBegin.promise;
    },
    giveUp() {
      givenUp.abort();
      response.then(
        ({ abort }) => abort(),
        () => undefined,
      );
    },
  };
}
