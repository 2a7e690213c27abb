/** What really happened to one call, as only the simulation can know it. The invariants judge by this. */
import type { KeyRecord, PolicySnapshot } from '../../core/catalog/snapshot.ts';
import type { EpochMs } from '../../core/clock.ts';
import { holdIdOf } from '../../core/ids.ts';
import type { Incident } from '../../core/report.ts';
import type { UsageEvent } from '../../core/usage/event.ts';

export interface ReportedUsage {
  readonly promptTokens: number;
  /** Of the prompt: read from the provider's cache, and written to it. */
  readonly cachedTokens: number;
  readonly writtenTokens: number;
  readonly completionTokens: number;
  /** Of the completion; null where the provider does not tell. */
  readonly reasoningTokens: number | null;
  /** The tier that served the call, as the provider names it; null where it does not. */
  readonly serviceTier: string | null;
}

/** One request that reached a provider, in the provider's own ledger. */
export interface ProviderEntry {
  readonly model: string;
  /** The call had its room when the provider got it. */
  readonly hadRoom: boolean;
  /** It was made ready while its room was being reserved. */
  readonly wasReady: boolean;
  /** False for refusals and errors: nothing was generated and nothing is billed. */
  readonly isBilled: boolean;
  /** The provider ignored the maximum of output tokens. */
  readonly isRunaway: boolean;
  /** What the provider has generated, whether anybody read it or not. */
  readonly generated: () => ReportedUsage;
  /** Set when the gateway has read the provider's own count. */
  reported: ReportedUsage | undefined;
}

/** What the caller asks for, as far as money is concerned. */
export interface Asked {
  readonly alias: string;
  readonly bodyBytes: number;
  /** The maximum over all choices. */
  readonly outputTokens: number;
}

interface Decision {
  readonly policy: PolicySnapshot;
  readonly atMs: EpochMs;
  /** The policy had been replaced before the environment could still believe in it. */
  readonly isByOld: boolean;
}

export interface CallRecord {
  readonly requestId: string;
  /** Of its last reserve. */
  holdId: string;
  readonly key: KeyRecord;
  readonly asked: Asked;
  /** Accounts that the gateway tried to reserve at. */
  readonly accounts: Set<string>;
  /** Accounts that were out of reach when the call was admitted. */
  readonly unchecked: Set<string>;
  /** Accounts that answered its reserve without doubt. */
  readonly certain: Set<string>;
  /** Soft limits of periods that its reserve found reached and not told: account and mark. */
  readonly softCrossings: Set<string>;
  /** The caller's policy and the gateway's time when it reserved; undefined until then. */
  decided: Decision | undefined;
  readonly providerEntries: ProviderEntry[];
  /** A reserve of it was granted, as far as its gateway knows. */
  hasRoom: boolean;
  /** The gateway's own events that the usage stream took, and the reaper's; deliveries counted once. */
  readonly events: UsageEvent[];
  readonly expiredEvents: UsageEvent[];
  /** What the gateway reported to its operators. */
  readonly reports: Incident[];
  isCrashed: boolean;
  /** The gateway says that its books are closed. */
  isClosed: boolean;
}

export function newCallRecord(requestId: string, key: KeyRecord, asked: Asked): CallRecord {
  return {
    requestId,
    holdId: holdIdOf(requestId),
    key,
    asked,
    accounts: new Set(),
    unchecked: new Set(),
    certain: new Set(),
    softCrossings: new Set(),
    decided: undefined,
    providerEntries: [],
    hasRoom: false,
    events: [],
    expiredEvents: [],
    reports: [],
    isCrashed: false,
    isClosed: false,
  };
}

/** Takes on the name of its next reserve, and forgets what it learnt under the one before. */
export function beginAgain(call: CallRecord, holdId: string): void {
  call.holdId = holdId;
  call.hasRoom = false;
  for (const learnt of [call.unchecked, call.certain, call.softCrossings]) learnt.clear();
}

/** The call as it was under that name, which may be one that it has given up: nothing was sent under such. */
export function underName(call: CallRecord, holdId: string): CallRecord {
  return holdId === call.holdId ? call : { ...call, holdId, providerEntries: [], events: [] };
}

export function billedEntries(call: CallRecord): ProviderEntry[] {
  return call.providerEntries.filter(({ isBilled }) => isBilled);
}

export function isRunaway(call: CallRecord): boolean {
  return call.providerEntries.some((entry) => entry.isRunaway);
}

const CLOSING_FAULTS: readonly Incident[] = [
  'usage not delivered',
  'settlement failed',
  'holds not given back',
  'denial not closed',
];

/** A fault explains that something was left open; the reaper's work begins here. */
export function hasFailedToClose(call: CallRecord): boolean {
  return call.isCrashed || call.reports.some((report) => CLOSING_FAULTS.includes(report));
}
