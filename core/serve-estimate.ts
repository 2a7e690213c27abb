/**
 * `POST /v1/estimate`: what a call may cost at most, and which limits would deny it right now. It takes no
 * room and books nothing; it costs one read of each account that the call would reserve in.
 */
import * as z from 'zod/mini';
import { assertKeyActive } from './active-key.ts';
import { demandOf, sizeOf, tagsOf } from './call-terms.ts';
import type { EpochMs } from './clock.ts';
import type { Call } from './dialects/call.ts';
import { invalidField, parseJsonBody } from './dialects/request-body.ts';
import { parserOf, voiceOf } from './endpoints.ts';
import { asGatewayError, ERRORS, GatewayError } from './errors.ts';
import type { Refusal } from './limits/accounts.ts';
import type { CallSize } from './limits/bound.ts';
import { clampedOutput } from './limits/clamp.ts';
import { calendarDay } from './limits/periods.ts';
import { explainRefusal } from './limits/refusal.ts';
import { type Demand, momentOf } from './limits/reserve.ts';
import { wouldDeny } from './limits/would-deny.ts';
import { formatUsd, nanoUsd } from './money.ts';
import { MAX_BODY_BYTES } from './names.ts';
import { errorResponse, type GatewayResponse, jsonResponse } from './response.ts';
import { type Selection, selectRoutes } from './routing/select-routes.ts';
import type { GatewayRequest, Ports } from './serve.ts';
import type { Caller, Headers } from './tenancy/authenticate.ts';
import { scopesOf } from './tenancy/scopes-of.ts';

type EstimatePorts = Pick<Ports, 'accounts' | 'clock' | 'report'>;

export async function serveEstimate(
  ports: EstimatePorts,
  caller: Caller,
  request: GatewayRequest,
): Promise<GatewayResponse> {
  if (request.body.byteLength > MAX_BODY_BYTES)
    throw new GatewayError('request_too_large', `The body is larger than ${MAX_BODY_BYTES} bytes.`);
  const asked = askedOf(request);
  const { headers, requestId } = request;
  try {
    const call = await parseAsked(asked, headers);
    return jsonResponse(200, await estimateOf(ports, { caller, call, asked, headers }), requestId);
  } catch (thrown) {
    const error = asGatewayError(thrown);
    if (ERRORS[error.code].status >= 500) ports.report('request failed', error);
    return errorResponse(error, { voice: voiceOf({ path: asked.endpoint, headers }), requestId });
  }
}

interface Asked {
  readonly endpoint: string;
  readonly body: Uint8Array;
}

const wrappedSchema = z.strictObject({
  endpoint: z.string().check(z.maxLength(64)),
  body: z.record(z.string(), z.unknown()),
});

/** A body as it would be sent, or the same inside `{ endpoint, body }`, which the endpoints that look alike need. */
function askedOf({ body, headers }: GatewayRequest): Asked {
  const parsed = z.record(z.string(), z.unknown()).safeParse(parseJsonBody(body).json);
  if (!parsed.success) throw invalidField(parsed.error.issues[0]);
  if (!Object.hasOwn(parsed.data, 'endpoint'))
    return { endpoint: guess(parsed.data, headers), body };
  const wrapped = wrappedSchema.safeParse(parsed.data);
  if (!wrapped.success) throw invalidField(wrapped.error.issues[0]);
  const inner = new TextEncoder().encode(JSON.stringify(wrapped.data.body));
  return { endpoint: wrapped.data.endpoint, body: inner };
}

function guess(body: Readonly<Record<string, unknown>>, headers: Headers): string {
  if (headers['anthropic-version'] !== undefined) return '/v1/messages';
  return Object.hasOwn(body, 'messages') ? '/v1/chat/completions' : '/v1/embeddings';
}

async function parseAsked({ endpoint, body }: Asked, headers: Headers): Promise<Call> {
  const parser = parserOf(endpoint);
  if (parser !== undefined) return (await parser())(body, headers);
  throw new GatewayError('invalid_request', `No model is called at '${endpoint}'.`, {
    param: 'endpoint',
  });
}

interface AskedCall {
  readonly caller: Caller;
  readonly call: Call;
  readonly asked: Asked;
  readonly headers: Headers;
}

async function estimateOf(
  { accounts, clock }: EstimatePorts,
  { caller, call, asked, headers }: AskedCall,
): Promise<object> {
  const selection = selectRoutes(caller, call.alias, clock.nowMs());
  const size = sizeOf({ call, selection, bodyBytes: asked.body.byteLength });
  const demand = demandOf(size, { call, selection });
  const { timeZone } = caller.policy;
  const nowMs = clock.nowMs();
  const at = momentOf(nowMs, calendarDay(nowMs, timeZone));
  const tags = tagsOf(headers, { caller, call });
  const scopes = scopesOf({ ...caller, ...selection, tags });
  const read = await Promise.all(
    scopes.map(async (each) => ({ each, account: await accounts.read(each.scope) })),
  );
  assertKeyActive(read[0]?.account);
  const refusals = read.flatMap(({ each, account }) =>
    wouldDeny(each, account, { demand, at, timeZone }),
  );
  return {
    object: 'estimate',
    endpoint: asked.endpoint,
    model: selection.model.alias,
    upper_bound: boundToWire(demand),
    max_output_tokens: size.maxOutputTokens,
    allowed: refusals.length === 0,
    denials: refusals.map((refusal) => denialToWire(refusal, nowMs)),
    fits_at: fitsAt(refusals, nowMs),
    fits_with_max_output_tokens: smallerOutput(refusals, size, selection),
  };
}

function boundToWire({ nanoUsd: usd, inputTokens, outputTokens }: Demand): object {
  return {
    usd: formatUsd(nanoUsd(usd)),
    nano_usd: usd,
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  };
}

function denialToWire(refusal: Refusal, nowMs: EpochMs): object {
  const { code, message, retryAfterMs, detail } = explainRefusal(refusal, nowMs);
  return {
    ...detail,
    code,
    message,
    reason: refusal.kind === 'inactive' ? refusal.status : refusal.denial.reason,
    retry_after_ms: retryAfterMs ?? null,
  };
}

/**
 * When all that denies has passed if nobody else calls; null where it would not pass by itself, or where nobody can
 * say when calls in flight end. Now, when nothing denies.
 */
function fitsAt(refusals: readonly Refusal[], nowMs: EpochMs): string | null {
  const times = refusals.map((refusal) => {
    if (refusal.kind === 'inactive') return undefined;
    const { reason, retryAfterMs } = refusal.denial;
    if (reason === 'window') return nowMs + (retryAfterMs ?? 0);
    return reason === 'spent' ? resetOf(refusal, nowMs) : undefined;
  });
  const known = times.filter((time) => time !== undefined);
  return known.length < times.length ? null : new Date(Math.max(nowMs, ...known)).toISOString();
}

function resetOf(refusal: Refusal, nowMs: EpochMs): EpochMs | undefined {
  const resetAt = explainRefusal(refusal, nowMs).detail.reset_at;
  return resetAt === undefined ? undefined : Date.parse(resetAt);
}

/** The largest maximum of output tokens with which the call would fit; null when none does, or when it fits as it is. */
function smallerOutput(
  refusals: readonly Refusal[],
  size: CallSize,
  { routes }: Selection,
): number | null {
  const fitting = refusals.map((refusal) =>
    // What other tenants leave of a pool is not told in this way either.
    refusal.kind === 'refused' && refusal.scope.kind !== 'pool'
      ? clampedOutput(refusal.denial, size, routes)
      : undefined,
  );
  const known = fitting.filter((each) => each !== undefined);
  return known.length === 0 || known.length < fitting.length ? null : Math.min(...known);
}
