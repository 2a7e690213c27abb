/**
 * The whole request path. Decides what happens to one request, in order, with every branch here; asks
 * ports for whatever is outside the process; never touches a clock, a socket or a table itself.
 */

import { answerCall } from './answer-call.ts';
import { type Bid, makeBid, takeBack, takeRoom } from './bid.ts';
import { type Cancellations, serveCancel } from './cancel.ts';
import type { Provider } from './catalog/snapshot.ts';
import type { Clock, EpochMs, Timer } from './clock.ts';
import type { Call } from './dialects/call.ts';
import { type ParseCall, parserOf, voiceOf } from './endpoints.ts';
import { asGatewayError, GatewayError } from './errors.ts';
import type { Accounts, Refusal, Unreserved } from './limits/accounts.ts';
import { calendarDay } from './limits/periods.ts';
import { explainRefusal } from './limits/refusal.ts';
import { ZERO_USD } from './money.ts';
import type { UpstreamPort } from './providers/upstream.ts';
import { type Report, reportFault } from './report.ts';
import { errorResponse, type GatewayResponse, jsonResponse } from './response.ts';
import type { RollupReader } from './rollups/rollup-reader.ts';
import { deprecationHeaders } from './routing/deprecation.ts';
import {
  authenticate,
  type Caller,
  type Directory,
  type Headers,
  type KnownCaller,
  recallCaller,
  type SignIn,
} from './tenancy/authenticate.ts';
import { openBooks } from './usage/books.ts';
import { buildUsageEvent, type CallFacts } from './usage/build-event.ts';
import type { UsageEvent } from './usage/event.ts';

export interface GatewayRequest {
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Headers;
  /** Decoded; of a repeated name the last. */
  readonly query?: Headers;
  readonly body: Uint8Array;
  readonly requestId: string;
  readonly receivedAtMs: EpochMs;
  /** When the platform ends this invocation; books must be closed before. */
  readonly deadlineMs: EpochMs;
  /** Told who calls as soon as it is known, for logs. */
  readonly onCaller?: (caller: Caller) => void;
}

export interface ProviderKeys {
  /** The value of a key of the provider's pool; undefined where it needs none. `afterRejection` bypasses the cache once. */
  get(
    provider: Provider,
    options?: { readonly afterRejection: boolean },
  ): Promise<string | undefined>;
  /** The gateway's own secret, from which each tenant's salt of a shared cache is made. */
  cacheSecret(): Promise<string>;
}

export interface UsageSink {
  /** Resolves when the event is durable. */
  put(event: UsageEvent): Promise<void>;
}

export interface Ports {
  readonly clock: Clock;
  readonly timer: Timer;
  readonly directory: Directory;
  readonly signIn?: SignIn;
  readonly accounts: Accounts;
  readonly providerKeys: ProviderKeys;
  readonly upstream: UpstreamPort;
  readonly cancellations: Cancellations;
  readonly rollups: RollupReader;
  readonly usage: UsageSink;
  /** Operators read these; callers never do. */
  readonly report: Report;
}

const CANCEL_PATH = /^\/v1\/requests\/([^/]{1,256})\/cancel$/;

export async function serve(ports: Ports, request: GatewayRequest): Promise<GatewayResponse> {
  try {
    return await route(ports, request);
  } catch (thrown) {
    const error = asGatewayError(thrown);
    reportFault(ports.report, error);
    return errorResponse(error, { voice: voiceOf(request), requestId: request.requestId });
  }
}

/** What is not a call of a model is loaded by the first request that asks for it (ADR 0032). */
async function route(ports: Ports, request: GatewayRequest): Promise<GatewayResponse> {
  const { method, path } = request;
  if (path === '/health') return jsonResponse(200, { status: 'ok' }, request.requestId);
  const parser = parserOf(path);
  if (parser !== undefined)
    return method === 'POST' ? serveCall(ports, request, parser) : methodNotAllowed(method);
  if (path === '/v1/estimate') {
    if (method !== 'POST') return methodNotAllowed(method);
    const { serveEstimate } = await import('./serve-estimate.ts');
    return serveEstimate(ports, await identify(ports, request), request);
  }
  const cancelled = CANCEL_PATH.exec(path)?.[1];
  if (cancelled !== undefined) {
    if (method !== 'POST') return methodNotAllowed(method);
    const { requestId } = request;
    return serveCancel(ports, await identify(ports, request), { id: cancelled, requestId });
  }
  const model = /^\/v1\/models\/(.{1,256})$/.exec(path)?.[1];
  const isRead = path === '/v1/models' || path === '/v1/usage' || model !== undefined;
  if (!isRead) throw new GatewayError('not_found', `Unknown path '${path.slice(0, 200)}'.`);
  if (method !== 'GET') return methodNotAllowed(method);
  const caller = await identify(ports, request);
  if (path === '/v1/usage') {
    const { serveUsage } = await import('./serve-usage.ts');
    return serveUsage(ports, caller, request);
  }
  const { serveModel, serveModels } = await import('./serve-models.ts');
  return model === undefined
    ? serveModels(ports, caller, request)
    : serveModel(ports, caller, { alias: decoded(model), request });
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new GatewayError(
      'model_not_found',
      'The name of the model is not percent-encoded correctly.',
    );
  }
}

async function identify(
  ports: Ports,
  { headers, receivedAtMs, onCaller }: GatewayRequest,
): Promise<Caller> {
  const caller = await authenticate(ports, headers, receivedAtMs);
  onCaller?.(caller);
  return caller;
}

function methodNotAllowed(method: string): never {
  throw new GatewayError(
    'method_not_allowed',
    `The method ${method.slice(0, 20)} is not allowed here.`,
  );
}

/** One call, step by step as in the design: who, what, where, bound, reserve, call, relay, books. */
async function serveCall(
  ports: Ports,
  request: GatewayRequest,
  parser: () => Promise<ParseCall>,
): Promise<GatewayResponse> {
  const { headers, receivedAtMs, onCaller } = request;
  const known = recallCaller(ports, headers, receivedAtMs);
  const isOld = known?.kind === 'old';
  const answer = isOld ? await serveOld(ports, request, { ...known, parser }) : undefined;
  if (answer !== undefined) return answer;
  const who = known?.kind === 'fresh' ? known.caller : authenticate(ports, headers, receivedAtMs);
  const [caller, parse] = await Promise.all([who, parser()]);
  onCaller?.(caller);
  const reservesBefore = isOld ? 1 : 0;
  return goOn(ports, request, await makeBid(ports, request, { caller, parse, reservesBefore }));
}

type OldCaller = Extract<KnownCaller, { kind: 'old' }>;

/**
 * By key and policy as they were more than 30 s ago: room is reserved while both are read again, and nothing is sent and nobody
 * told anything before (ADR 0037). Undefined where they have changed; then nothing is held any more.
 */
async function serveOld(
  ports: Ports,
  request: GatewayRequest,
  { caller, confirmed, parser }: OldCaller & { readonly parser: () => Promise<ParseCall> },
): Promise<GatewayResponse | undefined> {
  const asked = parser().then((parse) => makeBid(ports, request, { caller, parse, isOld: true }));
  const [bid, isStill] = await Promise.allSettled([asked, confirmed]);
  if (isStill.status === 'fulfilled' && isStill.value) {
    request.onCaller?.(caller);
    if (bid.status === 'rejected') throw bid.reason;
    return goOn(ports, request, bid.value);
  }
  const undone = bid.status === 'fulfilled' ? takeBack(ports, bid.value) : Promise.resolve();
  if (isStill.status === 'rejected')
    return unlimited(ports, request, { fault: isStill.reason, undone });
  try {
    // Before the call begins again: its room is needed, and what stayed would be a second hold under one row.
    await undone;
    return undefined;
  } catch (fault) {
    return unlimited(ports, request, { fault, undone });
  }
}

async function goOn(ports: Ports, request: GatewayRequest, bid: Bid): Promise<GatewayResponse> {
  const { terms, facts, answer, ahead } = bid;
  const { call, selection } = terms;
  if (answer.kind !== 'reserved') ahead?.giveUp();
  const { reservation, maxOutputTokens, isClamped } = await takeRoom(ports, bid);
  if (reservation.kind === 'faulted') return unlimited(ports, request, reservation);
  if (reservation.kind !== 'reserved') return refuse(ports, { facts, call, refusal: reservation });

  // Before all that can be done while the provider reads it.
  if (!isClamped) await ahead?.begin();
  for (const { unchecked } of reservation.grants)
    if (unchecked !== undefined) ports.report('limits not checked', unchecked);
  const notes = {
    ...deprecationHeaders(selection.asked ?? selection.model),
    ...(isClamped ? { 'x-tollgate-max-tokens': String(maxOutputTokens) } : {}),
  };
  return answerCall(ports, request, {
    ...terms,
    maxOutputTokens,
    books: openBooks(ports, { facts, reservation, call }),
    headers: { ...call.voice.rateHeaders(reservation), ...notes },
    ahead: isClamped ? undefined : ahead,
  });
}

/** Fail closed: nobody can say what the call may spend. Holds that may have been made are given back behind the answer. */
function unlimited(
  ports: Ports,
  request: GatewayRequest,
  { fault, undone }: { fault: unknown; undone: Promise<void> },
): GatewayResponse {
  const error = asGatewayError(fault);
  ports.report('request failed', error);
  const closed = undone.catch((left: unknown) => ports.report('holds not given back', left));
  return errorResponse(error, { voice: voiceOf(request), requestId: request.requestId, closed });
}

/** The answer is given at once; holds at other scopes and the event of the denial are closed behind it. */
function refuse(
  ports: Ports,
  {
    facts,
    call,
    refusal,
  }: { facts: CallFacts; call: Call; refusal: Refusal & Pick<Unreserved, 'undone'> },
): GatewayResponse {
  const nowMs = ports.clock.nowMs();
  const { code, message, retryAfterMs, mayRetry, detail, denied } = explainRefusal(refusal, nowMs);
  const error = new GatewayError(code, message, { retryAfterMs });
  const { month } = calendarDay(nowMs, facts.caller.policy.timeZone);
  const response = errorResponse(error, {
    voice: call.voice,
    requestId: facts.requestId,
    headers: mayRetry ? {} : { 'x-should-retry': 'false' },
    detail,
  });
  const event = buildUsageEvent(facts, {
    outcome: 'denied',
    status: response.status,
    errorCode: code,
    denied,
    estimated: false,
    cost: ZERO_USD,
    month,
    attempts: 0,
    closedAtMs: nowMs,
  });
  const closed = Promise.allSettled([refusal.undone, ports.usage.put(event)]).then((results) => {
    for (const result of results)
      if (result.status === 'rejected') ports.report('denial not closed', result.reason);
  });
  return { ...response, closed };
}
