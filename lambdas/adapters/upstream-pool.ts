/** Connections to providers that are kept open: how many, for how long, and which of them may still be trusted. */
import type { Socket } from 'node:net';
import type { Clock, EpochMs } from '../../core/clock.ts';
import { type Dial, dialler } from './dial.ts';
import { noteLook } from './event-loop.ts';

export interface UpstreamPool {
  originOf(url: URL): Origin;
  /** Gives a connection that is free, or a new one, or one in its turn where there are too many. */
  request(user: User): void;
  /** The user, which has no connection yet, needs none any more. */
  withdraw(user: User): void;
  /** The next may have it; unused, for no longer than the provider promises to wait. */
  release(connection: Connection, promisedMs?: number): void;
  /** Closes it. Whoever uses it is told. */
  drop(connection: Connection, cause: string): void;
  /** False of one that has been hung up on, or unused for too long. */
  isTrusted(connection: Connection): boolean;
  /** Closes this one and those that have been unused for longer. Its user is not told. */
  distrust(connection: Connection): void;
  close(): void;
}

/** A call, and what it is told of its connection. */
export interface User {
  readonly origin: Origin;
  /** Absent while it waits for its turn. */
  connection: Connection | undefined;
  /** It can be written to. */
  opened(connection: Connection): void;
  /** In memory that the next read writes over. False: no more until the socket is resumed. */
  received(bytes: Buffer): boolean;
  /** The provider sends no more. */
  ended(): void;
  closed(cause: unknown): void;
}

export interface Connection {
  readonly socket: Socket;
  readonly origin: Origin;
  /** Absent while it is free. */
  user: User | undefined;
  isOpen: boolean;
  /** It has had a user before. */
  isUsed: boolean;
  idleSinceMs: EpochMs;
  maxIdleMs: number;
}

export interface Origin {
  readonly dial: Dial;
  readonly connections: Set<Connection>;
  /** The one used last is the last, and the most likely to be open still. */
  readonly free: Connection[];
  readonly waiting: User[];
}

export interface PoolBounds {
  readonly total: number;
  readonly perOrigin: number;
  readonly freePerOrigin: number;
}

interface Pool {
  readonly clock: Clock;
  readonly bounds: PoolBounds;
  readonly origins: Map<string, Origin>;
  total: number;
  isClosed: boolean;
}

/** Under the 60 s after which load balancers close an idle connection, and the wall clock counts on while a function is frozen. */
const MAX_IDLE_MS = 30_000;
/** What a provider promises to wait ends so much earlier for us, who are a network away. */
const PROMISE_MARGIN_MS = 1_000;

export function createUpstreamPool(clock: Clock, bounds: PoolBounds): UpstreamPool {
  const pool: Pool = { clock, bounds, origins: new Map(), total: 0, isClosed: false };
  return {
    originOf: (url) => originOf(pool, url),
    request: (user) => request(pool, user),
    withdraw: (user) => remove(user.origin.waiting, user),
    release: (connection, promisedMs) => release(pool, connection, promisedMs),
    drop: (connection, cause) => drop(pool, connection, cause),
    isTrusted: ({ socket, isUsed, idleSinceMs, maxIdleMs }) =>
      socket.writable && (!isUsed || clock.nowMs() - idleSinceMs <= maxIdleMs),
    distrust: (connection) => distrust(pool, connection),
    close: () => close(pool),
  };
}

function originOf({ origins }: Pool, url: URL): Origin {
  const known = origins.get(url.origin);
  if (known !== undefined) return known;
  const origin: Origin = { dial: dialler(url), connections: new Set(), free: [], waiting: [] };
  origins.set(url.origin, origin);
  return origin;
}

function request(pool: Pool, user: User): void {
  const { origin } = user;
  if (pool.isClosed) {
    user.closed('the pool is closed');
    return;
  }
  const known = origin.free.pop();
  if (known !== undefined) {
    known.socket.ref();
    hand(known, user);
  } else if (mayOpen(pool, origin) || makeRoom(pool, origin)) connect(pool, user);
  else origin.waiting.push(user);
}

function hand(connection: Connection, user: User): void {
  connection.user = user;
  user.connection = connection;
  user.opened(connection);
}

function mayOpen({ bounds, total }: Pool, { connections }: Origin): boolean {
  return connections.size < bounds.perOrigin && total < bounds.total;
}

/** At the cost of the connection to another origin that has been unused for the longest time. */
function makeRoom(pool: Pool, origin: Origin): boolean {
  const free = [...pool.origins.values()].flatMap(({ free: [first] }) => first ?? []);
  const [oldest] = free.sort((one, other) => one.idleSinceMs - other.idleSinceMs);
  if (oldest !== undefined && origin.connections.size < pool.bounds.perOrigin)
    drop(pool, oldest, 'its room is needed');
  return mayOpen(pool, origin);
}

function connect(pool: Pool, user: User): void {
  const { origin } = user;
  let cause: unknown = 'the connection was closed';
  const socket = origin.dial({
    opened() {
      connection.isOpen = true;
      connection.user?.opened(connection);
    },
    read: (bytes) => receive(pool, connection, bytes),
  });
  const unused = { isOpen: false, isUsed: false, idleSinceMs: 0, maxIdleMs: MAX_IDLE_MS };
  const connection: Connection = { socket, origin, user, ...unused };
  user.connection = connection;
  origin.connections.add(connection);
  pool.total += 1;
  socket.on('error', (error) => {
    cause = error;
  });
  socket.once('end', () => {
    connection.user?.ended();
    drop(pool, connection, cause);
  });
  socket.once('close', () => drop(pool, connection, cause));
}

function receive(pool: Pool, connection: Connection, bytes: Buffer): boolean {
  noteLook();
  if (connection.user !== undefined) return connection.user.received(bytes);
  // Whatever comes next on this connection is not to be trusted.
  drop(pool, connection, 'bytes that nobody asked for');
  return true;
}

function release(pool: Pool, connection: Connection, promisedMs = Number.POSITIVE_INFINITY): void {
  const { origin, socket } = connection;
  const { free, waiting } = origin;
  connection.user = undefined;
  connection.isUsed = true;
  connection.idleSinceMs = pool.clock.nowMs();
  connection.maxIdleMs = Math.min(MAX_IDLE_MS, promisedMs - PROMISE_MARGIN_MS);
  if (!socket.writable || connection.maxIdleMs <= 0) {
    drop(pool, connection, 'it cannot be used again');
    return;
  }
  const next = waiting.shift();
  if (next !== undefined) {
    hand(connection, next);
    return;
  }
  socket.unref();
  free.push(connection);
  const isTooMany = free.length > pool.bounds.freePerOrigin || isRoomWanted(pool);
  if (isTooMany && free[0] !== undefined) drop(pool, free[0], 'too many are free');
}

/** Some other origin's calls wait for what this one does not need. */
function isRoomWanted({ origins, total, bounds }: Pool): boolean {
  return total >= bounds.total && [...origins.values()].some(({ waiting }) => waiting.length > 0);
}

function drop(pool: Pool, connection: Connection, cause: unknown): void {
  const { origin, socket, user } = connection;
  socket.destroy();
  if (!origin.connections.delete(connection)) return;
  pool.total -= 1;
  remove(origin.free, connection);
  connection.user = undefined;
  user?.closed(cause);
  const others = [...pool.origins.values()];
  const next = [origin, ...others].find((each) => each.waiting.length > 0 && mayOpen(pool, each));
  const waiting = next?.waiting.shift();
  if (waiting !== undefined) request(pool, waiting);
}

function distrust(pool: Pool, connection: Connection): void {
  const { origin, idleSinceMs } = connection;
  connection.user = undefined;
  const older = origin.free.filter((each) => each.idleSinceMs <= idleSinceMs);
  for (const each of [...older, connection]) drop(pool, each, 'it is not trusted');
}

function close(pool: Pool): void {
  pool.isClosed = true;
  for (const { waiting, connections } of pool.origins.values()) {
    for (const user of waiting.splice(0)) user.closed('the pool is closed');
    for (const connection of connections) drop(pool, connection, 'the pool is closed');
  }
}

function remove<T>(list: T[], element: T): void {
  const place = list.indexOf(element);
  if (place >= 0) list.splice(place, 1);
}
