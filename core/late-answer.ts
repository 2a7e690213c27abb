/**
 * The answer to a streamed call whose provider is slow to begin. The status is held back for as long as
 * clients and the network between them are patient, because until it is sent another route can answer and
 * an error can be a status. Then it goes out, signs of life follow, and an error can only be an event.
 */
import type { Attempt } from './attempt.ts';
import { cancelledError, type Vigil } from './cancel.ts';
import type { EpochMs } from './clock.ts';
import type { Call } from './dialects/call.ts';
import { asGatewayError, type GatewayError } from './errors.ts';
import { type GatewayResponse, streamResponse } from './response.ts';

/** How long the status waits for the first meaningful event. */
const HELD_MS = 20_000;
const KEEP_ALIVE_MS = 15_000;

export type Outcome =
  | { readonly kind: 'answered'; readonly attempt: Attempt }
  | { readonly kind: 'failed'; readonly error: GatewayError };

/** Never rejects, so that nobody has to be there when it fails. */
export function outcomeOf(attempt: Promise<Attempt>, cancelled: AbortSignal): Promise<Outcome> {
  const reason = (thrown: unknown) =>
    cancelled.aborted ? cancelledError() : asGatewayError(thrown);
  return attempt.then(
    (each): Outcome => ({ kind: 'answered', attempt: each }),
    (thrown: unknown): Outcome => ({ kind: 'failed', error: reason(thrown) }),
  );
}

/** Undefined when the status can wait no longer. */
export function withinPatience(
  outcome: Promise<Outcome>,
  vigil: Vigil,
): Promise<Outcome | undefined> {
  return Promise.race([outcome, vigil.after(HELD_MS).then(() => undefined)]);
}

export interface LateAnswer {
  readonly call: Call;
  readonly requestId: string;
  readonly outcome: Promise<Outcome>;
  readonly vigil: Vigil;
  readonly headers: Readonly<Record<string, string>>;
  readonly deadlineMs: EpochMs;
  /** Closes the books of a call without an answer. */
  fail(error: GatewayError): Promise<void>;
}

export function lateAnswer(late: LateAnswer): GatewayResponse {
  const closed = Promise.withResolvers<void>();
  return streamResponse(late.headers, relay(late, closed.resolve), closed.promise);
}

async function* relay(
  late: LateAnswer,
  close: (books: Promise<void>) => void,
): AsyncGenerator<Uint8Array> {
  const { call, requestId, vigil, fail } = late;
  const { headers, deadlineMs } = late;
  let books: Promise<void> | undefined;
  try {
    let outcome: Outcome | undefined;
    while (outcome === undefined) {
      yield call.voice.keepAlive;
      const silence = vigil.after(KEEP_ALIVE_MS).then(() => undefined);
      outcome = await Promise.race([late.outcome, silence]);
    }
    if (outcome.kind === 'answered') {
      const answer = outcome.attempt.answer({ headers, deadlineMs });
      books = answer.closed;
      yield* bytesOf(answer.body);
      return;
    }
    const { code, publicMessage: message, param } = outcome.error;
    books = fail(outcome.error);
    const gateway = { request_id: requestId };
    yield Buffer.from(call.voice.errorEvent({ code, message, param, gateway }));
  } finally {
    close(books ?? abandoned(late));
  }
}

/** The caller left before there was an answer: what comes is drained as if it had left at the first byte. */
async function abandoned(late: LateAnswer): Promise<void> {
  const outcome = await late.outcome;
  if (outcome.kind === 'failed') return late.fail(outcome.error);
  const { headers, deadlineMs } = late;
  const answer = outcome.attempt.answer({ headers, deadlineMs });
  for await (const _unread of bytesOf(answer.body)) break;
  return answer.closed;
}

async function* bytesOf(body: GatewayResponse['body']): AsyncGenerator<Uint8Array> {
  if (typeof body === 'string' || Buffer.isBuffer(body)) yield Buffer.from(body);
  else yield* body;
}
