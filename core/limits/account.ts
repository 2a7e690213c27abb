/**
 * The account item: the single authority on one scope's limits, counters and open holds, and the only
 * file that knows its attribute names. Counters live in attributes named after their window or period
 * (`rs` + second, `uM` + month), so that a window rolls by being absent and no write has to know what
 * the last one was (ADR 0002). Names are short because the item must stay under 1 KB, one write unit.
 */
import { type LimitPlan, storedPlan } from './schedule.ts';

export type KeyStatus = 'active' | 'revoked' | 'suspended';

/** Attributes with one name. */
export const ATTR = {
  key: 'pk',
  status: 'st',
  /** Fingerprint of the plan in `limits`: a writer that assumes another is refused and sees this one. */
  limitsVersion: 'lv',
  limits: 'l',
  /** Version of the policy that wrote limits and status last. */
  policyVersion: 'pv',
  /** The latest second, minute and day that any writer has counted in, where limits count in such. They never go back. */
  latestSecond: 's',
  latestMinute: 'm',
  latestDay: 'd',
  holds: 'h',
  /** Of a key's account: the minute of its latest call. It says when a key was used at no cost, and decides nothing. */
  lastUsed: 'u',
  /** Names that no hold may be made under until they expire: a copy of a reserve may still be on its way. */
  voided: 'x',
  /** In the account of a scope that has several: how many (core/limits/shards.ts). */
  shards: 'n',
} as const;

/** Counters: attribute name = code + number of the window or period. */
export const COUNTER = {
  requestsPerSecond: 'rs',
  requestsPerMinute: 'rm',
  inputTokensPerMinute: 'im',
  outputTokensPerMinute: 'om',
  tokensPerMinute: 'tm',
  tokensPerDay: 'tD',
  nanoUsdPerDay: 'uD',
  tokensPerMonth: 'tM',
  nanoUsdPerMonth: 'uM',
  /** Settled sums of the month, beside the committed ones above (settled plus held). */
  settledRequests: 'sn',
  settledInputTokens: 'si',
  settledOutputTokens: 'so',
  settledNanoUsd: 'su',
} as const;

export type Counter = keyof typeof COUNTER;

/** Prefix of the marks that say when a budget threshold was told: code + month + `_` + percent. */
export const ALERT_MARK = 'al';

export function counterName(counter: Counter, index: number): string {
  return COUNTER[counter] + String(index);
}

export interface Hold {
  readonly nanoUsd: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly expiresAtSeconds: number;
  /** Calendar day of the reserve, YYYYMMDD: the day and month that are charged. */
  readonly day: number;
  /** Whether the day's counters were moved too: only scopes with a daily limit keep them. */
  readonly countsDay: boolean;
  readonly owner: HoldOwner;
}

/**
 * A call has one lead hold, in the account of its key, and siblings in its other accounts. The lead knows
 * the call; a sibling knows its lead. The lead is settled last and released first, so a sibling whose lead
 * is gone was never sent to a provider.
 */
export type HoldOwner =
  | {
      readonly kind: 'lead';
      readonly requestId: string;
      readonly alias: string;
      /** Of the policy that the call ran under; absent in holds of releases that did not keep it. */
      readonly policyVersion?: number;
      /** Where the call has no sibling but a part of a lease (core/limits/lease.ts). */
      readonly leases?: readonly LeaseUse[];
    }
  | { readonly kind: 'sibling'; readonly leadAccount: string }
  /**
   * One worker's room for many calls. Every write to it has another number, so that no two are alike. `settled` names calls that
   * were settled from it while their leads may still be open.
   */
  | { readonly kind: 'lease'; readonly writes: number; readonly settled: readonly string[] };

export interface LeaseUse {
  readonly account: string;
  /** Name of the lease's hold there. */
  readonly lease: string;
}

/** Expiries are stored as seconds since then: five base-36 digits instead of ten decimal ones. */
const EXPIRY_EPOCH_SECONDS = Date.UTC(2026, 0, 1) / 1000;

/**
 * A hold as stored: six fields of base-36 numbers in one text, about 30 bytes, so that sixteen of them
 * fit the item's kilobyte.
 */
export function encodeHold(hold: Hold): string {
  const numbers = [
    hold.nanoUsd,
    hold.inputTokens,
    hold.outputTokens,
    hold.expiresAtSeconds - EXPIRY_EPOCH_SECONDS,
    hold.day,
  ].map((number) => number.toString(36));
  return `${numbers.join('.')}${hold.countsDay ? '+' : ''}.${encodeOwner(hold.owner)}`;
}

/** The mark of a name that no hold may be made under until then. */
export function encodeMark(expiresAtSeconds: number): string {
  return (expiresAtSeconds - EXPIRY_EPOCH_SECONDS).toString(36);
}

function secondsOf(expiry: string): number {
  return Number.parseInt(expiry, 36) + EXPIRY_EPOCH_SECONDS;
}

const HOLD_SHAPE =
  /^([0-9a-z]+)\.([0-9a-z]+)\.([0-9a-z]+)\.(-?[0-9a-z]+)\.([0-9a-z]+)(\+?)\.([@^=~&])(.*)$/s;

/** Throws TypeError when the text is no hold: that is corruption, not a refusal. */
export function decodeHold(text: string): Hold {
  const [, usd = '', input = '', output = '', expiry = '', day = '', plus, mark, owner = ''] =
    HOLD_SHAPE.exec(text) ?? [];
  if (mark === undefined) throw new TypeError('not a hold');
  return {
    nanoUsd: Number.parseInt(usd, 36),
    inputTokens: Number.parseInt(input, 36),
    outputTokens: Number.parseInt(output, 36),
    expiresAtSeconds: secondsOf(expiry),
    day: Number.parseInt(day, 36),
    countsDay: plus === '+',
    owner: decodeOwner(mark, owner),
  };
}

const USUAL_LEAD = /^key\/vk_([0-9a-f]{12})$/;

/**
 * `@` a lead, `^` one with parts of leases, `=` a sibling of a key in eight characters, `~` a sibling of any other account,
 * `&` a lease.
 */
function encodeOwner(owner: HoldOwner): string {
  switch (owner.kind) {
    case 'lead': {
      const uses = (owner.leases ?? []).map(({ lease, account }) => lease + account + USE_END);
      return `${uses.length === 0 ? '' : '^'}${uses.join('')}@${encodeLead(owner)}`;
    }
    case 'lease':
      return `&${[owner.writes.toString(36), ...owner.settled].join('.')}`;
    case 'sibling': {
      const hex = USUAL_LEAD.exec(owner.leadAccount)?.[1];
      if (hex === undefined) return `~${owner.leadAccount}`;
      return `=${Buffer.from(hex, 'hex').toString('base64url')}`;
    }
  }
}

type Lead = Extract<HoldOwner, { kind: 'lead' }>;

/** The version comes last, so that a release that knows nothing of it still reads whose hold it is. */
function encodeLead({ requestId, alias, policyVersion }: Lead): string {
  const version = policyVersion === undefined ? '' : VERSION_MARK + policyVersion.toString(36);
  return `${requestId}:${alias}${version}`;
}

/** In no alias (core/policy/schema-parts.ts). */
const VERSION_MARK = '#';

/** In no account's key, where `%` begins an escape or the number of a shard (core/ids.ts, core/limits/shards.ts). */
const USE_END = '%,';
const LEASE_NAME_LENGTH = 8;

function decodeOwner(mark: string, text: string): HoldOwner {
  switch (mark) {
    case '~':
      return { kind: 'sibling', leadAccount: text };
    case '=': {
      const hex = Buffer.from(text, 'base64url').toString('hex');
      return { kind: 'sibling', leadAccount: `key/vk_${hex}` };
    }
    case '&': {
      const [writes = '', ...settled] = text.split('.');
      return { kind: 'lease', writes: Number.parseInt(writes, 36), settled };
    }
    case '^':
      return decodeLeasing(text);
    default:
      return decodeLead(text);
  }
}

/** The lead's own part begins with `@`, which no lease's name does. */
function decodeLeasing(text: string): HoldOwner {
  const leases: LeaseUse[] = [];
  let rest = text;
  while (!rest.startsWith('@')) {
    const end = rest.indexOf(USE_END);
    if (end < 0) throw new TypeError('not a hold');
    const lease = rest.slice(0, LEASE_NAME_LENGTH);
    leases.push({ lease, account: rest.slice(LEASE_NAME_LENGTH, end) });
    rest = rest.slice(end + USE_END.length);
  }
  return { ...decodeLead(rest.slice(1)), leases };
}

function decodeLead(text: string): Lead {
  const [call = '', version] = text.split(VERSION_MARK);
  const colon = call.indexOf(':');
  return {
    kind: 'lead',
    requestId: call.slice(0, colon),
    alias: call.slice(colon + 1),
    ...(version === undefined ? {} : { policyVersion: Number.parseInt(version, 36) }),
  };
}

/** An account item after parsing. Counters that are absent are zero. */
export interface Account {
  readonly status: KeyStatus;
  readonly limitsVersion: string;
  readonly plan: LimitPlan;
  readonly policyVersion: number;
  readonly latestSecond: number;
  readonly latestMinute: number;
  readonly latestDay: number;
  readonly lastUsedMinute?: number;
  readonly holds: ReadonlyMap<string, Hold>;
  /** By the hold's name, when the mark may go: epoch seconds. */
  readonly voided: ReadonlyMap<string, number>;
  readonly counters: ReadonlyMap<string, number>;
  /** Soft limits that were told: until when, by the mark's name, epoch seconds. */
  readonly told: ReadonlyMap<string, number>;
  /** How many accounts the scope has; 1 in all of them but the first. */
  readonly shards: number;
}

/** Plain attribute values of an item: what a fake keeps and what an adapter unmarshals. */
export type AccountItem = Readonly<Record<string, unknown>>;

/**
 * Throws TypeError, ZodError or SyntaxError when the item is not an account: that is corruption, not a refusal. By hand, because
 * every reserve reads an account (ADR 0030); test/core/limits/account.test.ts holds it to a schema.
 */
export function parseAccount(item: AccountItem): Account {
  const counters = new Map<string, number>();
  const told = new Map<string, number>();
  for (const name of Object.keys(item)) {
    const value = item[name];
    if (typeof value !== 'number') continue;
    if (COUNTER_NAME.test(name)) counters.set(name, value);
    else if (TOLD_NAME.test(name)) told.set(name, value);
  }
  const lastUsedMinute = numberIn(item, ATTR.lastUsed);
  return {
    ...(lastUsedMinute === undefined ? {} : { lastUsedMinute }),
    status: statusIn(item),
    limitsVersion: textIn(item, ATTR.limitsVersion),
    plan: storedPlan(item[ATTR.limits]),
    policyVersion: numberIn(item, ATTR.policyVersion) ?? notAnAccount(ATTR.policyVersion),
    latestSecond: numberIn(item, ATTR.latestSecond) ?? 0,
    latestMinute: numberIn(item, ATTR.latestMinute) ?? 0,
    latestDay: numberIn(item, ATTR.latestDay) ?? 0,
    holds: mapTexts(item, ATTR.holds, decodeHold),
    voided: mapTexts(item, ATTR.voided, secondsOf),
    counters,
    told,
    shards: numberIn(item, ATTR.shards) ?? 1,
  };
}

function notAnAccount(attribute: string): never {
  throw new TypeError(`not an account: ${attribute}`);
}

function statusIn(item: AccountItem): KeyStatus {
  const status = item[ATTR.status];
  const isStatus = status === 'active' || status === 'revoked' || status === 'suspended';
  return isStatus ? status : notAnAccount(ATTR.status);
}

function textIn(item: AccountItem, name: string): string {
  const text = item[name];
  return typeof text === 'string' ? text : notAnAccount(name);
}

/** Undefined where it is absent. */
function numberIn(item: AccountItem, name: string): number | undefined {
  const value = item[name];
  const isNumber = typeof value === 'number' && Number.isFinite(value);
  return value === undefined || isNumber ? value : notAnAccount(name);
}

function mapTexts<T>(
  item: AccountItem,
  name: string,
  decode: (text: string) => T,
): ReadonlyMap<string, T> {
  const texts = item[name];
  if (!isRecord(texts)) return notAnAccount(name);
  const decoded = new Map<string, T>();
  for (const id of Object.keys(texts)) decoded.set(id, decode(textIn(texts, id)));
  return decoded;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const COUNTER_NAME = /^[a-z][a-zA-Z][0-9]+$/;
const TOLD_NAME = /^[a-z][a-zA-Z][0-9]+!$/;

export function counterValue(account: Account, counter: Counter, index: number): number {
  return account.counters.get(counterName(counter, index)) ?? 0;
}

/** Sums over the open holds of one calendar month (YYYYMM). */
export function heldIn(
  account: Account,
  month: number,
): { nanoUsd: number; inputTokens: number; outputTokens: number; requests: number } {
  const sum = { nanoUsd: 0, inputTokens: 0, outputTokens: 0, requests: 0 };
  for (const hold of account.holds.values()) {
    if (Math.floor(hold.day / 100) !== month) continue;
    sum.nanoUsd += hold.nanoUsd;
    sum.inputTokens += hold.inputTokens;
    sum.outputTokens += hold.outputTokens;
    sum.requests += 1;
  }
  return sum;
}
