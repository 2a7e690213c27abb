/**
 * Slices: what a call does whose own shard has no room. A denial by a shard is no denial by the scope: the
 * call goes to another shard, or takes slices of others along in the very write that reserves, and it is
 * denied only when all rooms together are too small. Decides from the shards as read; every write that it
 * plans is refused when a shard has changed meanwhile, so the slices sum to the limits in any interleaving.
 */
import { type Account, ATTR, counterName, counterValue } from './account.ts';
import { planSet } from './account-setup.ts';
import type { KeyedWrite } from './account-store.ts';
import type { AccountWrite, Condition } from './account-write.ts';
import { type Denial, type Moment, previousWeight, usedOf } from './denial.ts';
import {
  DIMENSION_NAMES,
  DIMENSIONS,
  type Dimension,
  type Limits,
  mapDimensions,
} from './dimensions.ts';
import {
  adoptWindows,
  amountOf,
  countedIn,
  judgeReserve,
  LATEST,
  planReserve,
  type ReserveRequest,
} from './reserve.ts';
import { type LimitPlan, limitsAt, mapLimits } from './schedule.ts';
import {
  addPlans,
  hasScheduledBudget,
  homeOf,
  mayGrant,
  type Shard,
  sumAccounts,
} from './shards.ts';
import { partOf } from './slice-part.ts';

export type ShardStep =
  | Denial
  | { readonly kind: 'inactive'; readonly status: 'revoked' | 'suspended' }
  | { readonly kind: 'collision' }
  | { readonly kind: 'behind'; readonly day: number }
  /** An earlier attempt of this very request holds there. */
  | { readonly kind: 'held'; readonly shard: Shard }
  | ShardReserve;

/** Reserve in the shard; `donors` give up slices to it in the same transaction. */
export interface ShardReserve {
  readonly kind: 'reserve';
  readonly request: ReserveRequest;
  readonly shard: Resliced;
  readonly donors: readonly Resliced[];
}

/** A shard as read, and the slice that it is to have. */
interface Resliced extends Shard {
  readonly plan: LimitPlan;
}

/** `home` is the shard that had no room. */
export function nextStep(
  shards: readonly [Shard, ...Shard[]],
  asked: ReserveRequest,
  home: string,
): ShardStep {
  const [first, ...rest] = shards;
  const whole = sumAccounts([first.account, ...rest.map(({ account }) => account)]);
  const request = { ...asked, at: adoptWindows(whole, asked.at) };
  const fits: Shard[] = [];
  for (const shard of shards) {
    const verdict = judgeReserve(shard.account, request);
    if (verdict.kind === 'held') return { kind: 'held', shard };
    if (verdict.kind === 'collision' || verdict.kind === 'inactive') return verdict;
    if (verdict.kind === 'retry' && grants(shard)) fits.push(shard);
  }
  // What one of them granted on a later day is not protected from slices that move by an earlier one.
  if (whole.latestDay > asked.at.day) return { kind: 'behind', day: whole.latestDay };
  const states = shards.map((shard) => stateOf(shard, request.at));
  if (fits.length > 0) {
    const granting = states.filter(({ shard }) => grants(shard));
    return spread(granting, request, { home, fits });
  }
  return denialOfScope(states, whole, request) ?? gather(states, request);
}

function grants({ key, account: { plan } }: Shard): boolean {
  return mayGrant({ key, plan });
}

interface ShardState {
  readonly shard: Shard;
  readonly limits: Limits;
  /** Limit less what is used; negative where a provider took more than its hold. */
  readonly rooms: Limits;
}

function stateOf(shard: Shard, at: Moment): ShardState {
  const { account } = shard;
  const limits = limitsAt(account.plan, at.cameMs);
  const rooms = mapDimensions(limits, (limit, dimension) => limit - usedOf(dimension, account, at));
  return { shard, limits, rooms };
}

/** The scope has room when the rooms of its shards sum to enough, since slices can be moved. */
function denialOfScope(
  states: readonly ShardState[],
  whole: Account,
  request: ReserveRequest,
): Denial | undefined {
  const limits = limitsAt(whole.plan, request.at.cameMs);
  const room = (dimension: Dimension) =>
    states.reduce((sum, { rooms }) => sum + (rooms[dimension] ?? 0), 0);
  const short = mapDimensions(limits, (limit, dimension) => {
    const amount = amountOf(dimension, request.demand);
    if (room(dimension) >= amount) return undefined;
    if (amount > limit || !isRate(dimension)) return limit;
    // Each shard rounds its share of the previous window up; a retry must wait until that fits too.
    return Math.max(amount, limit - (states.length - 1));
  });
  const verdict = judgeReserve({ ...whole, plan: short }, request);
  if (verdict.kind !== 'denied') return undefined;
  const limit = limits[verdict.dimension] ?? 0;
  return { ...verdict, limit, used: limit - room(verdict.dimension) };
}

/** A move costs four write units and a refused write besides: worth it for as many calls as these. */
const CALLS_WORTH_A_MOVE = 16;

/**
 * Some shards have room. A call whose own shard is only busy this second goes to the one with most; where
 * the shard has become poorer than that one, half of the difference moves, so that the next calls find room
 * at home and no shard has to serve them all.
 */
function spread(
  states: readonly ShardState[],
  request: ReserveRequest,
  { home, fits }: { home: string; fits: readonly Shard[] },
): ShardStep {
  const own = states.find(({ shard }) => shard.key === home);
  if (own !== undefined && fits.includes(own.shard)) return reserveIn(own, request);
  const rich = byRoom(
    states.filter(({ shard }) => fits.includes(shard)),
    request,
  );
  const [richest] = rich;
  // Not everybody to the richest: of many who come at once it would refuse all but the first.
  const other = rich[homeOf(request.holdId, Math.ceil(rich.length / 2))];
  if (richest === undefined || other === undefined) throw new TypeError('no shard fits');
  const shift = own === undefined ? undefined : halfOfDifference(own, richest, request);
  return own === undefined || shift === undefined
    ? reserveIn(other, request)
    : moveTo(own, request, [{ donor: richest, shift }]);
}

function halfOfDifference(
  poor: ShardState,
  rich: ShardState,
  { demand }: ReserveRequest,
): Limits | undefined {
  const shift = mapDimensions(poor.limits, (limit, dimension) => {
    const [roomOfPoor, roomOfRich] = [poor.rooms[dimension] ?? 0, rich.rooms[dimension] ?? 0];
    if (isPeriod(dimension)) {
      const half = Math.min(roomOfRich, Math.floor((roomOfRich - roomOfPoor) / 2));
      return half >= CALLS_WORTH_A_MOVE * amountOf(dimension, demand) ? half : 0;
    }
    // Rooms of windows come and go; slices that differ by less than a factor of two are left alone.
    const difference = (rich.limits[dimension] ?? 0) - limit;
    return difference > limit ? Math.min(roomOfRich, Math.floor(difference / 2)) : 0;
  });
  const fits = DIMENSION_NAMES.every(
    (dimension) =>
      poor.limits[dimension] === undefined ||
      (poor.rooms[dimension] ?? 0) + Math.max(0, shift[dimension] ?? 0) >=
        amountOf(dimension, demand),
  );
  return fits ? shift : undefined;
}

/**
 * No shard has room alone, all together have. The one that lacks least takes from the others: of a window
 * what it lacks, of a period all they have, because the end of a budget is served best from one place.
 * Every caller chooses the same receiver, so that they do not take from each other for ever. The first, where it grants
 * alone, takes all in any case: nobody else needs it.
 */
function gather(states: readonly ShardState[], request: ReserveRequest): ShardStep {
  const ranked = byRoom(states, request);
  const receiver = ranked.find(({ shard }) => grants(shard));
  if (receiver === undefined) throw new TypeError('a scope has at least one shard');
  const others = ranked.filter((state) => state !== receiver);
  const isAlone = hasScheduledBudget(receiver.shard.account.plan);
  const lacking = mapDimensions(
    receiver.rooms,
    (room, dimension) => amountOf(dimension, request.demand) - room,
  );
  const gifts = giftsOf(others, lacking, ({ room, lack, dimension }) =>
    isAlone || isPeriod(dimension) ? room : Math.min(room, lack),
  );
  return moveTo(receiver, request, gifts);
}

/**
 * A provider that took more than its call had held leaves a shard with less than nothing. The others pay
 * for it, so that the scope's budget shuts when it is spent. No writes when nobody owes or can pay.
 */
export function planRepay(shards: readonly Shard[], debtor: string, at: Moment): KeyedWrite[] {
  const states = shards.map((shard) => stateOf(shard, at));
  const own = states.find(({ shard }) => shard.key === debtor);
  if (own === undefined) return [];
  const others = states.filter((state) => state !== own);
  const debts = mapDimensions(own.rooms, (room, dimension) => (isPeriod(dimension) ? -room : 0));
  const gifts = giftsOf(others, debts, ({ room, lack }) => Math.min(room, lack));
  const { shard, donors } = resliced(own, gifts, at);
  if (donors.length === 0) return [];
  return [shard, ...donors].map((each) => ({ key: each.key, write: planReslice(each, at) }));
}

interface Gift {
  readonly donor: ShardState;
  /** How much of each limit goes over. */
  readonly shift: Limits;
}

/** What each donor in turn gives of what is still lacking. */
function giftsOf(
  donors: readonly ShardState[],
  lacking: Limits,
  give: (need: { room: number; lack: number; dimension: Dimension }) => number,
): Gift[] {
  let still = lacking;
  return donors.map((donor) => {
    const shift = mapDimensions(still, (lack, dimension) => {
      const room = Math.max(0, donor.rooms[dimension] ?? 0);
      return lack <= 0 ? 0 : give({ room, lack, dimension });
    });
    still = mapDimensions(still, (lack, dimension) => lack - (shift[dimension] ?? 0));
    return { donor, shift };
  });
}

function reserveIn({ shard }: ShardState, request: ReserveRequest): ShardReserve {
  const { plan } = shard.account;
  return { kind: 'reserve', request, shard: { ...shard, plan }, donors: [] };
}

function moveTo(
  receiver: ShardState,
  request: ReserveRequest,
  gifts: readonly Gift[],
): ShardReserve {
  return { kind: 'reserve', request, ...resliced(receiver, gifts, request.at) };
}

/** Receiver and donors with their new slices; who gives nothing is left out. */
function resliced(
  { shard: receiver }: ShardState,
  gifts: readonly Gift[],
  { cameMs }: Moment,
): Pick<ShardReserve, 'shard' | 'donors'> {
  const given = gifts
    .filter(({ shift }) => DIMENSION_NAMES.some((name) => (shift[name] ?? 0) > 0))
    .map(({ donor: { shard }, shift }) => ({
      shard,
      part: partOf(shard.account.plan, shift, cameMs),
    }));
  return {
    shard: {
      ...receiver,
      plan: given.map(({ part }) => part).reduce(addPlans, receiver.account.plan),
    },
    donors: given.map(({ shard, part }) => ({
      ...shard,
      plan: addPlans(
        shard.account.plan,
        mapLimits(part, (amount) => -amount),
      ),
    })),
  };
}

/** Most calls of the request's size first; of equals the first shard. */
function byRoom(states: readonly ShardState[], { demand }: ReserveRequest): ShardState[] {
  const callsThatFit = ({ rooms }: ShardState) =>
    Math.min(
      ...DIMENSION_NAMES.flatMap((dimension) => {
        const room = rooms[dimension];
        return room === undefined ? [] : [room / Math.max(1, amountOf(dimension, demand))];
      }),
    );
  return states
    .map((state) => ({ state, calls: callsThatFit(state) }))
    .sort((a, b) => b.calls - a.calls)
    .map(({ state }) => state);
}

/** The writes of a step, the reserving one first. */
export function planStep({ shard, request, donors }: ShardReserve): [KeyedWrite, ...KeyedWrite[]] {
  const { key, account, plan } = shard;
  const reserve = planReserve(request, plan, { ...account, plan });
  if (donors.length === 0) return [{ key, write: reserve }];
  const isVersion = (condition: Condition) =>
    condition.kind === 'equals' && condition.path[0] === ATTR.limitsVersion;
  const write = {
    ...reserve,
    conditions: [
      unchanged(account),
      ...reserve.conditions.filter((condition) => !isVersion(condition)),
    ],
    set: [...planSet(plan), ...reserve.set],
  };
  const giving = donors.map((donor) => ({ key: donor.key, write: planReslice(donor, request.at) }));
  return [{ key, write }, ...giving];
}

/** Gives a shard another slice, if what it has granted stays within wherever it was within. */
export function planReslice({ account, plan }: Omit<Resliced, 'key'>, at: Moment): AccountWrite {
  const [old, next] = [limitsAt(account.plan, at.cameMs), limitsAt(plan, at.cameMs)];
  const changed = DIMENSION_NAMES.filter((dimension) => old[dimension] !== next[dimension]);
  const bounds = changed.flatMap((dimension) => {
    const [before, limit] = [old[dimension] ?? Infinity, next[dimension]];
    const isLowered = limit !== undefined && limit < before;
    return isLowered && usedOf(dimension, account, at) <= limit
      ? staysWithin(dimension, limit, { account, at })
      : [];
  });
  const windows = LATEST.filter(([kind]) =>
    changed.some((dimension) => countedIn(dimension) === kind),
  );
  return {
    conditions: [
      unchanged(account),
      ...bounds,
      // Closes the race between clocks that disagree: a slice that moves counts in the same window, or day, on both sides.
      ...windows.map(
        ([kind, name]): Condition => ({ kind: 'at-most', path: [name], value: at[kind] }),
      ),
    ],
    set: [...planSet(plan), ...windows.map(([kind, name]) => [[name], at[kind]] as const)],
    add: [],
    remove: [],
  };
}

/** Closes the race with another move and with a policy: slices change from what was read, or not at all. */
function unchanged({ limitsVersion }: Account): Condition {
  return { kind: 'equals', path: [ATTR.limitsVersion], value: limitsVersion };
}

/** Closes the race with reserves: what the shard grants meanwhile must fit the smaller slice too. */
function staysWithin(
  dimension: Dimension,
  limit: number,
  { account, at }: { account: Account; at: Moment },
): Condition[] {
  if (dimension === 'concurrentRequests')
    return [{ kind: 'fewer-than', path: [ATTR.holds], value: limit + 1 }];
  const { window } = DIMENSIONS[dimension];
  const counter = counterName(dimension, at[window]);
  if (window === 'day' || window === 'month')
    return [{ kind: 'at-most', path: [counter], value: limit }];
  const previous = Math.max(0, counterValue(account, dimension, at[window] - 1));
  const left = limit - Math.ceil(previousWeight(window, at) * previous);
  return [
    { kind: 'at-most', path: [counterName(dimension, at[window] - 1)], value: previous },
    { kind: 'at-most', path: [counter], value: left },
  ];
}

function isPeriod(dimension: Dimension): boolean {
  return ['day', 'month'].includes(DIMENSIONS[dimension].window);
}

function isRate(dimension: Dimension): boolean {
  return ['second', 'minute'].includes(DIMENSIONS[dimension].window);
}
