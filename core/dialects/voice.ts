/** How the gateway itself speaks to a caller: errors, limits and signs of life, in the caller's dialect. */
import type { Reservation } from '../limits/accounts.ts';
import type { ErrorFacts } from './error-facts.ts';

export interface Voice {
  /** A whole error body. */
  error(facts: ErrorFacts): string;
  /** The same as an event of a stream that has already begun. Nothing may follow it. */
  errorEvent(facts: ErrorFacts): string;
  /** Bytes that keep a silent stream open and that SDKs ignore. */
  readonly keepAlive: Buffer;
  /** Rate-limit headers of the tightest limit, under the names that the dialect's SDKs read. */
  rateHeaders(reservation: Reservation): Record<string, string>;
}
