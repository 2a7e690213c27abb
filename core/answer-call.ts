/**
 * A call that holds its room is put to its routes and answered. From here on it may cost something:
 * whatever comes, its books are closed behind the answer.
 */
import type { Attempt } from './attempt.ts';
import { keepVigil } from './cancel.ts';
import { platformDeadline } from './deadline.ts';
import { type Dispatch, firstAnswer } from './dispatch.ts';
import type { GatewayError } from './errors.ts';
import { lateAnswer, outcomeOf, withinPatience } from './late-answer.ts';
import { reportFault } from './report.ts';
import { errorResponse, type GatewayResponse, requestIds } from './response.ts';
import type { GatewayRequest, Ports } from './serve.ts';

export async function answerCall(
  ports: Ports,
  request: GatewayRequest,
  dispatch: Omit<Dispatch, 'cancelled'> & { readonly headers: Readonly<Record<string, string>> },
): Promise<GatewayResponse> {
  const { caller, call, books, headers } = dispatch;
  const { requestId } = request;
  const { keyId } = caller.key;
  const vigil = keepVigil(ports, { keyId, requestId, isWatched: call.stream });
  const { cancelled } = vigil;
  const outcome = outcomeOf(firstAnswer(ports, request, { ...dispatch, cancelled }), cancelled);
  const deadlineMs = platformDeadline(request);

  function fail(error: GatewayError): Promise<void> {
    if (error.code === 'request_cancelled') return books.finished(CANCELLED);
    reportFault(ports.report, error);
    return books.failed(error);
  }

  async function respond(): Promise<GatewayResponse> {
    const known = call.stream ? await withinPatience(outcome, vigil) : await outcome;
    if (known === undefined) {
      const early = { ...requestIds(requestId), ...headers };
      return lateAnswer({ call, requestId, outcome, vigil, deadlineMs, fail, headers: early });
    }
    if (known.kind === 'answered') {
      const { attempt } = known;
      return attempt.answer({
        headers: { ...headers, ...callHeaders(request, attempt) },
        deadlineMs,
      });
    }
    const { error } = known;
    return errorResponse(error, { voice: call.voice, requestId, headers, closed: fail(error) });
  }

  const response = await respond();
  return { ...response, closed: response.closed.then(vigil.end) };
}

/** Before the provider said anything: it has read the prompt. */
const CANCELLED = {
  outcome: 'cancelled',
  errorCode: 'request_cancelled',
  usage: undefined,
  estimatedOutputTokens: 0,
} as const;

function callHeaders(request: GatewayRequest, attempt: Attempt): Record<string, string> {
  const { route: used, firstRoute, attempts, overheadMs } = attempt.facts();
  return {
    'x-request-id': request.requestId,
    'request-id': request.requestId,
    'x-tollgate-model': used.model,
    'x-tollgate-provider': used.provider,
    'x-tollgate-attempts': String(attempts),
    ...(firstRoute === used
      ? {}
      : { 'x-tollgate-fallback': headerText(`${firstRoute.provider}/${firstRoute.model}`) }),
    'x-tollgate-overhead-ms': String(overheadMs),
    ...(attempt.dropped.length === 0 ? {} : { 'x-tollgate-dropped': attempt.dropped.join(',') }),
  };
}

/** A model's name may have letters that a header must not. */
function headerText(text: string): string {
  return text.replace(/[^ -~]/g, '?');
}
