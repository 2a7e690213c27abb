/**
 * A call is bid for: what it may take at most is reserved for it, and its first route is made ready meanwhile. No provider gets it,
 * and nobody is told what the accounts said: until core/serve.ts goes on with the bid, it can be taken back without a trace.
 */
import { type Ahead, makeReady } from './ahead.ts';
import { demandOf, sizeOf, tagsOf } from './call-terms.ts';
import { deadlineOf } from './deadline.ts';
import type { Call } from './dialects/call.ts';
import type { ParseCall } from './endpoints.ts';
import { GatewayError } from './errors.ts';
import type { ReservesBefore } from './ids.ts';
import type { Reservation, ReserveCall, Unreserved } from './limits/accounts.ts';
import type { CallSize } from './limits/bound.ts';
import { clampedOutput } from './limits/clamp.ts';
import { MAX_BODY_BYTES } from './names.ts';
import type { Terms } from './prepare.ts';
import { type Selection, selectRoutes } from './routing/select-routes.ts';
import type { GatewayRequest, Ports } from './serve.ts';
import type { Caller } from './tenancy/authenticate.ts';
import { PRIORITY_HEADER, priorityOf } from './tenancy/priority.ts';
import { scopesOf } from './tenancy/scopes-of.ts';
import type { CallFacts } from './usage/build-event.ts';
import { traceIdOf } from './usage/trace-id.ts';

/** A call and what the accounts say to it, of which nobody was told yet. */
export interface Bid {
  readonly terms: Terms;
  readonly facts: CallFacts;
  readonly size: CallSize;
  readonly answer: Reservation | Unreserved;
  readonly ahead: Ahead | undefined;
}

interface Bidder {
  readonly caller: Caller;
  readonly parse: ParseCall;
  readonly reservesBefore?: ReservesBefore;
  /** Key and policy are being read again: nobody outside may learn anything of the call before. */
  readonly isOld?: boolean;
}

/** How long a hold outlives its call before the reaper may close it: the longest stream the platform allows. */
const HOLD_SECONDS = 900;

export async function makeBid(
  ports: Ports,
  request: GatewayRequest,
  { caller, parse, reservesBefore = 0, isOld = false }: Bidder,
): Promise<Bid> {
  const bodyBytes = request.body.byteLength;
  if (bodyBytes > MAX_BODY_BYTES)
    throw new GatewayError('request_too_large', `The body is larger than ${MAX_BODY_BYTES} bytes.`);
  const call = parse(request.body, request.headers);
  const selection = selectRoutes(caller, call.alias, request.receivedAtMs);
  const facts = factsOf(request, { caller, call, selection });
  const size = sizeOf({ call, selection, bodyBytes });
  const terms = {
    ...{ caller, call, selection, priority: facts.priority },
    maxOutputTokens: size.maxOutputTokens,
    deadlineMs: deadlineOf(request, caller, selection),
    reserve: reserveOf(facts, { call, selection, size, reservesBefore }),
  };
  // Asked for first, so that the call is made ready while the table answers.
  const asked = ports.accounts.reserve(terms.reserve);
  const ahead = makeReady(ports, request, { ...terms, isOld });
  try {
    return { terms, facts, size, answer: await asked, ahead };
  } catch (thrown) {
    ahead?.giveUp();
    throw thrown;
  }
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

function reserveOf(
  { requestId, caller, tags }: CallFacts,
  {
    call,
    selection,
    size,
    reservesBefore,
  }: {
    readonly reservesBefore: ReservesBefore;
    readonly call: Call;
    readonly selection: Selection;
    readonly size: CallSize;
  },
): ReserveCall {
  return {
    requestId,
    alias: selection.model.alias,
    policyVersion: caller.policy.version,
    demand: demandOf(size, { call, selection }),
    scopes: scopesOf({ ...caller, ...selection, tags }),
    timeZone: caller.policy.timeZone,
    holdSeconds: HOLD_SECONDS,
    reservesBefore,
  };
}

export function takeBack({ accounts }: Ports, { answer, ahead }: Bid): Promise<void> {
  ahead?.giveUp();
  return answer.kind === 'reserved' ? accounts.release(answer) : answer.undone;
}

interface Room {
  readonly reservation: Reservation | Unreserved;
  readonly maxOutputTokens: number;
  /** The maximum of output tokens is smaller than what the caller asked for. */
  readonly isClamped: boolean;
}

/** What was asked for; where the team's policy says so, less if only that fits. */
export async function takeRoom(
  { accounts }: Ports,
  { terms: { caller, call, selection, reserve }, size, answer }: Bid,
): Promise<Room> {
  const mayClamp = answer.kind === 'refused' && caller.team.clampOutput === true;
  const smaller = mayClamp ? clampedOutput(answer.denial, size, selection.routes) : undefined;
  if (answer.kind !== 'refused' || smaller === undefined)
    return { reservation: answer, maxOutputTokens: size.maxOutputTokens, isClamped: false };
  // What the first try took elsewhere is given back before the second: its room is needed.
  await answer.undone;
  const demand = demandOf({ ...size, maxOutputTokens: smaller }, { call, selection });
  const reservesBefore = reserve.reservesBefore === 1 ? 2 : 1;
  const reservation = await accounts.reserve({ ...reserve, demand, reservesBefore });
  return { reservation, maxOutputTokens: smaller, isClamped: true };
}
