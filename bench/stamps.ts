/**
 * The time inside the tokens. The provider writes into each token when it had the whole question and when the token
 * left; the caller subtracts. The clock is the machine's monotonic one, which all processes share.
 */

/** Of one token: when the provider had the question, and when it wrote the token. Microseconds. */
export interface Stamp {
  readonly askedAtUs: number;
  readonly sentAtUs: number;
}

export function nowUs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + Math.floor(nanoseconds / 1e3);
}

/** The text of a token. */
export function stampText({ askedAtUs, sentAtUs }: Stamp): string {
  return ` ${askedAtUs}@${sentAtUs}`;
}

const STAMP = / (\d+)@(\d+)"/g;

/** All of an answer, in order, each with the place where its text ends. */
export function stampsOf(answer: string): readonly (Stamp & { readonly endsAt: number })[] {
  return [...answer.matchAll(STAMP)].map((match) => ({
    askedAtUs: Number(match[1]),
    sentAtUs: Number(match[2]),
    endsAt: match.index + match[0].length,
  }));
}
