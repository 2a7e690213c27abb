/** When a call must be over: the earliest of what its caller, its policy and the platform say. */
import type { EpochMs } from './clock.ts';
import type { Selection } from './routing/select-routes.ts';
import type { GatewayRequest } from './serve.ts';
import type { Caller } from './tenancy/authenticate.ts';

/** Time kept from the platform's deadline to close the books. */
const CLOSING_MS = 10_000;

/** SDKs announce their own time-out, in seconds. */
const TIMEOUT_HEADER = 'x-stainless-timeout';

export function deadlineOf(
  request: GatewayRequest,
  { team }: Caller,
  { model }: Selection,
): EpochMs {
  const seconds = [
    announcedSeconds(request.headers[TIMEOUT_HEADER]),
    model.maxDurationSeconds,
    team.maxDurationSeconds,
  ].flatMap((each) => each ?? []);
  return Math.min(
    platformDeadline(request),
    ...seconds.map((each) => request.receivedAtMs + each * 1000),
  );
}

/** The last moment for anything that must be done before the books close. */
export function platformDeadline({ deadlineMs }: GatewayRequest): EpochMs {
  return deadlineMs - CLOSING_MS;
}

/** Junk announces nothing, and neither does a time-out of nothing. */
function announcedSeconds(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d{1,9}(\.\d{1,9})?$/.test(header)) return undefined;
  const seconds = Number(header);
  return seconds > 0 ? seconds : undefined;
}
