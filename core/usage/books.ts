/**
 * The books of one call: opened when its holds are granted, closed exactly once whatever happened.
 * The usage event goes first and the settlement second, so that a crash between them leaves a hold that
 * the reaper finds, and never a settled call that nobody can bill.
 */
import type { Route } from '../catalog/snapshot.ts';
import type { Clock } from '../clock.ts';
import type { Call } from '../dialects/call.ts';
import { ERRORS, type ErrorCode, type GatewayError } from '../errors.ts';
import type { Accounts, Reservation } from '../limits/accounts.ts';
import { estimateWithin } from '../limits/bound.ts';
import { type NanoUsd, ZERO_USD } from '../money.ts';
import { UpstreamFault } from '../providers/upstream.ts';
import type { Report } from '../report.ts';
import { buildUsageEvent, type CallFacts, type CallOutcome } from './build-event.ts';
import { costOfUsage } from './cost.ts';
import type { UsageEvent } from './event.ts';
import { tokensOfEvent } from './event-values.ts';
import type { TokenUsage } from './tokens.ts';

export interface CallBooks {
  /** Called before each attempt. */
  dispatched(route: Route): void;
  /** Called at the first meaningful event of the answer. */
  answered(): void;
  /** What the attempt looks like from outside, for headers. */
  facts(): {
    readonly route: Route;
    /** The one that was tried first. */
    readonly firstRoute: Route;
    readonly attempts: number;
    readonly overheadMs: number;
  };
  /** Cost of a usage on the current route. */
  costOf(usage: TokenUsage): NanoUsd;
  /** The call was answered, wholly or in part. Resolves when event and settlement are done; never rejects. */
  finished(end: CallEnd): Promise<void>;
  /** The call got no answer. */
  failed(error: GatewayError): Promise<void>;
}

interface CallEnd {
  readonly outcome: 'ok' | 'error' | 'cancelled';
  readonly errorCode?: ErrorCode;
  /** What the provider reported; undefined when it did not. */
  readonly usage: TokenUsage | undefined;
  readonly estimatedOutputTokens: number;
  /** The provider's own word; absent where it said none. */
  readonly stopReason?: string | undefined;
}

export interface BooksPorts {
  readonly clock: Clock;
  readonly accounts: Accounts;
  readonly usage: { put(event: UsageEvent): Promise<void> };
  readonly report: Report;
}

interface OpenCall {
  readonly facts: CallFacts;
  readonly reservation: Reservation;
  readonly call: Call;
}

export function openBooks(ports: BooksPorts, { facts, reservation, call }: OpenCall): CallBooks {
  const { clock } = ports;
  let first: Route | undefined;
  let current: Route | undefined;
  let attempts = 0;
  let dispatchedAtMs: number | undefined;
  let answeredAtMs: number | undefined;
  let closing: Promise<void> | undefined;

  const sinceReceived = (atMs: number | undefined) =>
    atMs === undefined ? undefined : Math.max(0, atMs - facts.receivedAtMs);
  const estimate = (outputTokens: number): TokenUsage => ({
    inputTokens: call.estimatedInputTokens(),
    cachedInputTokens: 0,
    outputTokens,
    reasoningTokens: undefined,
  });

  function closeOnce(
    end: Pick<
      CallOutcome,
      'outcome' | 'status' | 'errorCode' | 'usage' | 'estimated' | 'stopReason'
    >,
  ): Promise<void> {
    const cost = end.usage === undefined ? ZERO_USD : costOfUsage(end.usage, current?.price);
    const outcome: CallOutcome = {
      ...end,
      route: current,
      firstRoute: first,
      cost,
      held: reservation.demand,
      month: reservation.month,
      crossings: reservation.crossings,
      attempts,
      ttftMs: sinceReceived(answeredAtMs),
      overheadMs: sinceReceived(dispatchedAtMs),
      closedAtMs: clock.nowMs(),
    };
    closing ??= close(ports, reservation, buildUsageEvent(facts, outcome));
    return closing;
  }

  return {
    dispatched(route) {
      first ??= route;
      current = route;
      attempts += 1;
      dispatchedAtMs ??= clock.nowMs();
    },
    answered() {
      answeredAtMs ??= clock.nowMs();
    },
    facts() {
      if (current === undefined) throw new TypeError('no route was dispatched');
      const overheadMs = sinceReceived(dispatchedAtMs) ?? 0;
      return { route: current, firstRoute: first ?? current, attempts, overheadMs };
    },
    costOf: (usage) => costOfUsage(usage, current?.price),
    finished({ outcome, errorCode, usage, estimatedOutputTokens, stopReason }) {
      const said = estimateWithin(estimatedOutputTokens, reservation.demand.outputTokens);
      const estimated = usage === undefined || usage.isPartial === true;
      const known = usage === undefined ? estimate(said) : completed(usage, said);
      return closeOnce({ outcome, status: 200, errorCode, usage: known, estimated, stopReason });
    },
    failed(error) {
      const usage = usageOfBroken(error);
      return closeOnce({
        outcome: 'error',
        status: ERRORS[error.code].status,
        errorCode: error.code,
        usage,
        estimated: usage !== undefined,
      });
    },
  };

  /**
   * What a call without an answer may have cost. A provider that fell silent has read the prompt. One that
   * broke off in a whole answer has made some of it, at most what was allowed: the safe side is all of it.
   */
  function usageOfBroken(error: GatewayError): TokenUsage | undefined {
    if (!(error instanceof UpstreamFault) || error.phase === 'unsent') return undefined;
    return estimate(error.phase === 'answering' ? reservation.demand.outputTokens : 0);
  }
}

/** What was read is exact although the answer broke off before its final count. */
function completed(usage: TokenUsage, said: number): TokenUsage {
  if (usage.isPartial !== true) return usage;
  return { ...usage, outputTokens: Math.max(usage.outputTokens, said) };
}

async function close(
  { accounts, usage, report }: BooksPorts,
  reservation: Reservation,
  event: UsageEvent,
): Promise<void> {
  try {
    await usage.put(event);
  } catch (fault) {
    // The hold stays: the reaper posts it and its row follows. Settling now would lose the row.
    report('usage not delivered', fault);
    return;
  }
  const isBillable = event.input_tokens !== null;
  const actual = { nanoUsd: event.cost_nano_usd, ...tokensOfEvent(event) };
  const settle = async () => {
    const { used, passedOver } = splitByProvider(reservation, event.provider);
    await accounts.settle(passedOver, NOTHING);
    await accounts.settle(used, actual);
  };
  await (isBillable ? settle() : accounts.release(reservation)).catch((fault: unknown) =>
    report('settlement failed', fault),
  );
}

const NOTHING = { nanoUsd: 0, inputTokens: 0, outputTokens: 0 };

/** A pool whose provider failed before another one answered has served a request and no tokens. */
function splitByProvider(
  reservation: Reservation,
  provider: string | null,
): { used: Reservation; passedOver: Reservation } {
  const isUsed = ({ scope }: Reservation['grants'][number]) =>
    scope.kind !== 'pool' || scope.providerId === provider;
  const grants = reservation.grants.filter(isUsed);
  const others = reservation.grants.filter((grant) => !isUsed(grant));
  return { used: { ...reservation, grants }, passedOver: { ...reservation, grants: others } };
}
