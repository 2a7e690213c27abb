/** `GET /v1/usage`: the caller's own scopes, live from their accounts: settled, held, limits, reset. */
import type { EpochMs } from './clock.ts';
import { GatewayError } from './errors.ts';
import { type Account, counterValue, heldIn } from './limits/account.ts';
import { calendarDay, monthName, periodEnd } from './limits/periods.ts';
import { limitsAt } from './limits/schedule.ts';
import { formatUsd, nanoUsd } from './money.ts';
import { type GatewayResponse, jsonResponse } from './response.ts';
import type { Ports } from './serve.ts';
import type { Caller } from './tenancy/authenticate.ts';
import { scopeLabel } from './tenancy/scopes.ts';
import { scopesOfCaller } from './tenancy/scopes-of.ts';

export async function serveUsage(
  ports: Pick<Ports, 'accounts' | 'clock'>,
  caller: Caller,
  requestId: string,
): Promise<GatewayResponse> {
  const nowMs = ports.clock.nowMs();
  const accounts = await Promise.all(
    scopesOfCaller(caller).map(async (scope) => ({
      scope,
      account: await ports.accounts.read(scope),
    })),
  );
  assertKeyActive(accounts[0]?.account);
  const { timeZone } = caller.policy;
  const { month } = calendarDay(nowMs, timeZone);
  const resetAtMs = periodEnd(nowMs, timeZone, 'month');
  const scopes = accounts.flatMap(({ scope, account }) =>
    account === undefined
      ? []
      : [{ scope: scopeLabel(scope), ...usageOf(account, { month, nowMs, resetAtMs }) }],
  );
  return jsonResponse(200, { object: 'usage', time_zone: timeZone, scopes }, requestId);
}

/** One strongly consistent read: a revoked key learns nothing, not even the names of models. */
export async function assertActive(ports: Pick<Ports, 'accounts'>, caller: Caller): Promise<void> {
  assertKeyActive(await ports.accounts.read({ kind: 'key', keyId: caller.key.keyId }));
}

/** Throws GatewayError `invalid_api_key`. */
export function assertKeyActive(account: Account | undefined): void {
  if (account?.status === 'active') return;
  throw new GatewayError(
    'invalid_api_key',
    `This API key has been ${account?.status ?? 'removed'}.`,
  );
}

interface Period {
  readonly month: number;
  readonly nowMs: EpochMs;
  readonly resetAtMs: EpochMs;
}

function usageOf(account: Account, { month, nowMs, resetAtMs }: Period): object {
  const settled = {
    nanoUsd: counterValue(account, 'settledNanoUsd', month),
    requests: counterValue(account, 'settledRequests', month),
    inputTokens: counterValue(account, 'settledInputTokens', month),
    outputTokens: counterValue(account, 'settledOutputTokens', month),
  };
  const { nanoUsdPerMonth, ...limits } = limitsAt(account.plan, nowMs);
  return {
    period: monthName(month),
    settled: toWire(settled),
    held: toWire(heldIn(account, month)),
    limits: {
      ...limits,
      ...(nanoUsdPerMonth === undefined
        ? {}
        : { usdPerMonth: formatUsd(nanoUsd(nanoUsdPerMonth)) }),
    },
    reset_at: new Date(resetAtMs).toISOString(),
    projected_end_usd: projection(settled.nanoUsd, { month, nowMs, resetAtMs }),
  };
}

function toWire({
  nanoUsd: usd,
  requests,
  inputTokens,
  outputTokens,
}: {
  nanoUsd: number;
  requests: number;
  inputTokens: number;
  outputTokens: number;
}): object {
  return {
    usd: formatUsd(nanoUsd(usd)),
    nano_usd: usd,
    requests,
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  };
}

/** Straight-line projection of the month's spend; zones' daylight shifts of an hour do not matter here. */
function projection(spent: number, { month, nowMs, resetAtMs }: Period): string {
  const days = new Date(Date.UTC(Math.floor(month / 100), month % 100, 0)).getUTCDate();
  const lengthMs = days * 86_400_000;
  const elapsedMs = Math.max(1, lengthMs - (resetAtMs - nowMs));
  return formatUsd(nanoUsd(Math.min(9e15, Math.round((spent / elapsedMs) * lengthMs))));
}
