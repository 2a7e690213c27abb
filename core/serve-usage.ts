/**
 * `GET /v1/usage`: the caller's own scopes, live from their accounts: settled, held, limits, reset and
 * projection of the month; and of the day where a limit of any day makes the account count days. Where the query asks
 * for `activity`, what the team did lately too, from the monitor's sums: it costs reads of every window and member.
 */
import { assertKeyActive } from './active-key.ts';
import type { KeyRecord } from './catalog/snapshot.ts';
import type { EpochMs } from './clock.ts';
import { GatewayError } from './errors.ts';
import { type Account, counterValue, heldIn } from './limits/account.ts';
import { calendarDay, monthName, periodEnd } from './limits/periods.ts';
import { countsDay } from './limits/reserve.ts';
import { isRaised, type LimitPlan, limitsAt } from './limits/schedule.ts';
import { formatUsd, MAX_NANO_USD, nanoUsd } from './money.ts';
import { type GatewayResponse, jsonResponse } from './response.ts';
import { isActivitySpan, type Part, readActivity } from './rollups/activity.ts';
import { featureName } from './rollups/subjects.ts';
import { allowedModels } from './routing/select-routes.ts';
import type { GatewayRequest, Ports } from './serve.ts';
import type { Caller } from './tenancy/authenticate.ts';
import { scopeLabel } from './tenancy/scopes.ts';
import { scopesOfCaller } from './tenancy/scopes-of.ts';

export async function serveUsage(
  ports: Pick<Ports, 'accounts' | 'clock' | 'rollups' | 'report'>,
  caller: Caller,
  { requestId, query }: Pick<GatewayRequest, 'requestId' | 'query'>,
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
  const now = periodsOf(nowMs, timeZone);
  const scopes = accounts.flatMap(({ scope, account }) =>
    account === undefined ? [] : [{ scope: scopeLabel(scope), ...usageOf(account, now) }],
  );
  const last = query?.['activity'];
  const activity = last === undefined ? {} : { activity: await activityOf(ports, caller, last) };
  return jsonResponse(
    200,
    { object: 'usage', time_zone: timeZone, scopes, ...activity },
    requestId,
  );
}

/** Of the caller's team; of its features and models those that the key may use. Null while the sums cannot be read. */
async function activityOf(
  { clock, rollups, report }: Pick<Ports, 'clock' | 'rollups' | 'report'>,
  caller: Caller,
  last: string,
) {
  if (!isActivitySpan(last))
    throw new GatewayError('invalid_request', "'activity' is 1h or 24h.", { param: 'activity' });
  const { tenantId, id: teamId } = caller.team;
  const nowMs = clock.nowMs();
  const models = new Set(allowedModels(caller, nowMs).map(({ alias }) => alias));
  const features = featuresOf(caller.key);
  const maySee = ({ kind, name }: Part) =>
    kind === 'model' ? models.has(name) : features === undefined || features.includes(name);
  const subject = { kind: 'team', tenantId, teamId } as const;
  return readActivity(rollups, { subject, last, nowMs, maySee }).catch((fault: unknown) => {
    report('activity not read', fault);
    return null;
  });
}

/** By the names that their sums have; undefined for a key that may serve any. */
function featuresOf({ pinnedTags, features }: KeyRecord): readonly string[] | undefined {
  const pinned = pinnedTags['feature'];
  if (pinned !== undefined) return [featureName(pinned)];
  return features.length === 0 ? undefined : features.map(featureName);
}

interface Period {
  /** YYYYMM or YYYYMMDD. */
  readonly index: number;
  readonly resetAtMs: EpochMs;
  readonly lengthMs: number;
}

interface Periods {
  readonly nowMs: EpochMs;
  readonly month: Period;
  readonly day: Period;
}

export function periodsOf(nowMs: EpochMs, timeZone: string): Periods {
  const { month, day } = calendarDay(nowMs, timeZone);
  const days = new Date(Date.UTC(Math.floor(month / 100), month % 100, 0)).getUTCDate();
  const period = (kind: 'month' | 'day', index: number, lengthMs: number) => ({
    index,
    lengthMs,
    resetAtMs: periodEnd(nowMs, timeZone, kind),
  });
  return { nowMs, month: period('month', month, days * DAY_MS), day: period('day', day, DAY_MS) };
}

const DAY_MS = 86_400_000;

export function usageOf(account: Account, { nowMs, month, day }: Periods) {
  const settled = {
    nanoUsd: counterValue(account, 'settledNanoUsd', month.index),
    requests: counterValue(account, 'settledRequests', month.index),
    inputTokens: counterValue(account, 'settledInputTokens', month.index),
    outputTokens: counterValue(account, 'settledOutputTokens', month.index),
  };
  const { nanoUsdPerMonth, nanoUsdPerDay, ...limits } = limitsAt(account.plan, nowMs);
  return {
    period: monthName(month.index),
    settled: toWire(settled),
    held: toWire(heldIn(account, month.index)),
    limits: {
      ...limits,
      ...usdLimit('usdPerDay', nanoUsdPerDay),
      ...usdLimit('usdPerMonth', nanoUsdPerMonth),
    },
    ...overrideOf(account.plan, nowMs),
    reset_at: new Date(month.resetAtMs).toISOString(),
    projected_end_usd: usdText(projection(settled.nanoUsd, month, nowMs)),
    projected_end_tokens: projection(settled.inputTokens + settled.outputTokens, month, nowMs),
    ...(countsDay(account.plan) ? { day: dayUsage(account, day, nowMs) } : {}),
  };
}

/** What an approved override adds to the limits now, and until when; the limits above have it in them. */
function overrideOf({ raises }: LimitPlan, nowMs: EpochMs): object {
  const raise = raises?.find((each) => isRaised(each, nowMs));
  if (raise === undefined) return {};
  const { nanoUsdPerMonth, nanoUsdPerDay, ...amounts } = raise.limits;
  const added = {
    ...amounts,
    ...usdLimit('usdPerDay', nanoUsdPerDay),
    ...usdLimit('usdPerMonth', nanoUsdPerMonth),
  };
  return { override: { added, until: new Date(raise.untilMs).toISOString() } };
}

/** Accounts count of a day what is committed: settled and held together. */
function dayUsage(account: Account, day: Period, nowMs: EpochMs): object {
  const held = heldOnDay(account, day.index);
  const usd = counterValue(account, 'nanoUsdPerDay', day.index) - held.nanoUsd;
  const tokens = counterValue(account, 'tokensPerDay', day.index) - held.tokens;
  return {
    period: dayName(day.index),
    settled: { usd: usdText(usd), nano_usd: usd, total_tokens: tokens },
    held: { usd: usdText(held.nanoUsd), nano_usd: held.nanoUsd, total_tokens: held.tokens },
    reset_at: new Date(day.resetAtMs).toISOString(),
    projected_end_usd: usdText(projection(usd, day, nowMs)),
    projected_end_tokens: projection(tokens, day, nowMs),
  };
}

/** Holds of before the first daily limit are not in the day's counters. */
function heldOnDay(account: Account, index: number): { nanoUsd: number; tokens: number } {
  const holds = [...account.holds.values()].filter(({ day, countsDay: on }) => on && day === index);
  return {
    nanoUsd: holds.reduce((sum, hold) => sum + hold.nanoUsd, 0),
    tokens: holds.reduce((sum, hold) => sum + hold.inputTokens + hold.outputTokens, 0),
  };
}

function dayName(day: number): string {
  return `${monthName(Math.floor(day / 100))}-${String(day % 100).padStart(2, '0')}`;
}

function usdLimit(name: string, limit: number | undefined): Record<string, string> {
  return limit === undefined ? {} : { [name]: usdText(limit) };
}

function usdText(amount: number): string {
  return formatUsd(nanoUsd(amount));
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
    usd: usdText(usd),
    nano_usd: usd,
    requests,
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  };
}

/** Straight-line projection to the period's end; zones' daylight shifts of an hour do not matter here. */
function projection(soFar: number, { resetAtMs, lengthMs }: Period, nowMs: EpochMs): number {
  const elapsedMs = Math.max(1, lengthMs - (resetAtMs - nowMs));
  return Math.min(MAX_NANO_USD, Math.round((soFar / elapsedMs) * lengthMs));
}
