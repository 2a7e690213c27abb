/**
 * The whole request path. Decides what happens to one request, in order, with every branch here; asks
 * ports for whatever is outside the process; never touches a clock, a socket or a table itself.
 */

import { makeReady } from './ahead.ts';
import { answerCall } from './answer-call.ts';
import { demandOf, sizeOf, tagsOf } from './call-terms.ts';
import { type Cancellations, serveCancel } from './cancel.ts';
import type { Provider } from './catalog/snapshot.ts';
import type { Clock, EpochMs, Timer } from './clock.ts';
import { deadlineOf } from './deadline.ts';
import type { Call } from './dialects/call.ts';
import { type ParseCall, parserOf, voiceOf } from './endpoints.ts';
import { asGatewayError, GatewayError } from './errors.ts';
import type { Accounts, Refusal, Reservation, ReserveCall, Unreserved } from './limits/accounts.ts';
import type { CallSize } from './limits/bound.ts';
import { clampedOutput } from './limits/clamp.ts';
import { calendarDay } from './limits/periods.ts';
import { explainRefusal } from './limits/refusal.ts';
import { ZERO_USD } from './money.ts';
import { MAX_BODY_BYTES } from './names.ts';
import type { Terms } from './prepare.ts';
import type { UpstreamPort } from './providers/upstream.ts';
import { type Report, reportFault } from './report.ts';
import { errorResponse, type GatewayResponse, jsonResponse } from './response.ts';
import type { RollupReader } from './rollups/rollup-reader.ts';
import { deprecationHeaders } from './routing/deprecation.ts';
import { type Selection, selectRoutes } from './routing/select-routes.ts';
import {
  authenticate,
  type Caller,
  type Directory,
  type Headers,
  type SignIn,
} from './tenancy/authenticate.ts';
import { PRIORITY_HEADER, priorityOf } from './tenancy/priority.ts';
import { scopesOf } from './tenancy/scopes-of.ts';
import { openBooks } from './usage/books.ts';
import { buildUsageEvent, type CallFacts } from './usage/build-event.ts';
import type { UsageEvent } from './usage/event.ts';
import { traceIdOf } from './usage/trace-id.ts';

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

/** How long a hold outlives its call before the reaper may close it: the longest stream the platform allows. */
const HOLD_SECONDS = 900;

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
  const [caller, parse] = await Promise.all([identify(ports, request), parser()]);
  if (request.body.byteLength > MAX_BODY_BYTES)
    throw new GatewayError('request_too_large', `The body is larger than ${MAX_BODY_BYTES} bytes.`);
  const call = parse(request.body, request.headers);
  const selection = selectRoutes(caller, call.alias, request.receivedAtMs);
  const facts = factsOf(request, { caller, call, selection });

  const bodyBytes = request.body.byteLength;
  const size = sizeOf({ call, selection, bodyBytes });
  const terms = {
    ...{ caller, call, selection, priority: facts.priority },
    maxOutputTokens: size.maxOutputTokens,
    deadlineMs: deadlineOf(request, caller, selection),
    reserve: reserveOf(facts, { call, selection, size }),
  };
  // Asked for first, so that the call is made ready while the table answers.
  const room = takeRoom(ports, terms, size);
  const ahead = makeReady(ports, request, terms);
  const { reservation, maxOutputTokens, isClamped } = await room.catch((thrown: unknown) => {
    ahead?.giveUp();
    throw thrown;
  });
  if (reservation.kind !== 'reserved' || isClamped) ahead?.giveUp();
  if (reservation.kind === 'faulted') return unlimited(ports, { request, call }, reservation);
  if (reservation.kind !== 'reserved') return refuse(ports, { facts, call, refusal: reservation });

  if (!isClamped) ahead?.begin();
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

function reserveOf(
  { requestId, caller, tags }: CallFacts,
  { call, selection, size }: { call: Call; selection: Selection; size: CallSize },
): ReserveCall {
  return {
    requestId,
    alias: selection.model.alias,
    policyVersion: caller.policy.version,
    demand: demandOf(size, { call, selection }),
    scopes: scopesOf({ ...caller, ...selection, tags }),
    timeZone: caller.policy.timeZone,
    holdSeconds: HOLD_SECONDS,
  };
}

interface Room {
  readonly reservation: Reservation | Unreserved;
  readonly maxOutputTokens: number;
  /** The maximum of output tokens is smaller than what the caller asked for. */
  readonly isClamped: boolean;
}

/** Reserves the bound of the call; where the team's policy says so, a smaller one if only that fits. */
async function takeRoom(
  { accounts }: Ports,
  { caller, call, selection, reserve }: Terms,
  size: CallSize,
): Promise<Room> {
  const first = await accounts.reserve(reserve);
  const mayClamp = first.kind === 'refused' && caller.team.clampOutput === true;
  const smaller = mayClamp ? clampedOutput(first.denial, size, selection.routes) : undefined;
  if (first.kind !== 'refused' || smaller === undefined) {
    return { reservation: first, maxOutputTokens: size.maxOutputTokens, isClamped: false };
  }
  // What the first try took elsewhere is given back before the second: its room is needed.
  await first.undone;
  const demand = demandOf({ ...size, maxOutputTokens: smaller }, { call, selection });
  const reservation = await accounts.reserve({ ...reserve, demand, isSecond: true });
  return { reservation, maxOutputTokens: smaller, isClamped: true };
}

function factsOf(
  request: GatewayRequest,
  { caller, call, selection }: { caller: Caller; call: Call; selection: Selection },
): CallFacts {
  const tags = tagsOf(request.headers, { caller, call });
  const { requestId, receivedAtMs } = request;
  return {
    requestId,
    receivedAtMs,
    caller,
    tags,
    dialect: call.dialect,
    alias: selection.model.alias,
    tier: selection.model.tier,
    stream: call.stream,
    priority: priorityOf(request.headers[PRIORITY_HEADER], caller.key.priority),
    traceId: traceIdOf(request.headers['traceparent']),
  };
}

/** Fail closed: nobody can say what the call may spend. Holds that may have been made are given back behind the answer. */
function unlimited(
  ports: Ports,
  { request: { requestId }, call: { voice } }: { request: GatewayRequest; call: Call },
  { fault, undone }: { fault: unknown; undone: Promise<void> },
): GatewayResponse {
  const error = asGatewayError(fault);
  ports.report('request failed', error);
  const closed = undone.catch((left: unknown) => ports.report('holds not given back', left));
  return errorResponse(error, { voice, requestId, closed });
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
