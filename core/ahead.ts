/**
 * The first route of a call, made ready while the room for the call is being reserved: its key read, its body in
 * the provider's words, its connection open. Nothing of it is written before the room is held; but a call that costs
 * nothing, where there was plenty of room a moment ago, is sent at once, and its answer waits (ADR 0024).
 */
import { sendAttempt } from './attempt.ts';
import type { Route } from './catalog/snapshot.ts';
import type { EpochMs } from './clock.ts';
import { type Prepared, prepareAttempt, servingRoutes, type Terms } from './prepare.ts';
import type { UpstreamResponse } from './providers/upstream.ts';
import type { GatewayRequest, Ports } from './serve.ts';

export interface Ahead {
  readonly route: Route;
  readonly prepared: Promise<Prepared>;
  readonly response: Promise<UpstreamResponse>;
  /** When the provider may have got the first byte, as far as that depends on us; undefined before. */
  begunAtMs(): EpochMs | undefined;
  /** The call has its room. */
  begin(): void;
  giveUp(): void;
}

/** Undefined where the call has no route, or will probably be refused: a connection for nothing helps nobody. */
export function sendAhead(ports: Ports, request: GatewayRequest, terms: Terms): Ahead | undefined {
  const { clock, accounts } = ports;
  const { reserve } = terms;
  const [route] = servingRoutes(terms);
  const outlook = accounts.outlook(reserve);
  if (route === undefined || outlook === 'poor') return undefined;
  const mayBegin = Promise.withResolvers<void>();
  const givenUp = new AbortController();
  let allowedAtMs: EpochMs | undefined;
  let preparedAtMs: EpochMs | undefined;
  const begin = () => {
    allowedAtMs ??= clock.nowMs();
    mayBegin.resolve();
  };
  if (outlook === 'plenty' && reserve.demand.nanoUsd === 0) begin();
  const prepared = prepareAttempt(ports, request, { ...terms, route });
  const response = prepared.then((attempt) => {
    givenUp.signal.throwIfAborted();
    preparedAtMs = clock.nowMs();
    return sendAttempt(ports, attempt, { signal: givenUp.signal, mayBegin: mayBegin.promise });
  });
  // Whoever takes the call over sees its fault; given up, nobody has to.
  response.catch(() => undefined);
  return {
    route,
    prepared,
    response,
    begunAtMs: () =>
      allowedAtMs === undefined || preparedAtMs === undefined
        ? undefined
        : Math.max(allowedAtMs, preparedAtMs),
    begin,
    giveUp() {
      givenUp.abort();
      response.then(
        ({ abort }) => abort(),
        () => undefined,
      );
    },
  };
}
