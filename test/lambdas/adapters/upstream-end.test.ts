import type net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/clock.ts';
import type { UpstreamRequest } from '../../../core/providers/upstream.ts';
import { createHttpUpstream } from '../../../lambdas/adapters/http-upstream.ts';
import { bodyText } from '../../support/body-text.ts';
import { OK, startRawServer } from '../../support/raw-server.ts';
import { outcomeOf } from '../../support/upstream-calls.ts';

let upstream: ReturnType<typeof createHttpUpstream>;
const closing: (() => unknown)[] = [];

beforeEach(() => {
  upstream = createHttpUpstream({ clock: systemClock });
});
afterEach(async () => {
  upstream.close();
  for (const close of closing.splice(0)) await close();
});

const TEXT = `{"messages":[{"role":"user","content":"${'é'.repeat(50_000)}"}]}`;
const BODIES = {
  text: TEXT,
  parts: [Buffer.from(TEXT.slice(0, 30)), Buffer.from(TEXT.slice(30, -1)), Buffer.from('}')],
};
const UNAUTHORIZED = 'HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno';
/** Longer than anything takes to arrive, even on a busy machine. */
const WHILE_MS = 60;

/** Answers whole requests; what it does to the first half of one is up to the test. */
async function providerOf(greet: (socket: net.Socket) => void = () => {}) {
  const server = await startRawServer((socket, received) => {
    if (received.endsWith('}')) socket.write(OK);
    else if (received.endsWith(TEXT.slice(0, -1))) greet(socket);
  });
  closing.push(server.close);
  return server;
}

/** A call of which only the end waits. */
function callTo(origin: string, extra: Partial<UpstreamRequest> = {}) {
  const { promise: mayBegin, resolve: begin } = Promise.withResolvers<void>();
  const controller = new AbortController();
  const outcome = outcomeOf(upstream, origin, {
    ...{ body: TEXT, mayBegin, onlyEndWaits: () => true, signal: controller.signal },
    ...{ connectTimeoutMs: 5_000, firstByteTimeoutMs: 5_000, deadlineMs: Date.now() + 20_000 },
    ...extra,
  });
  return { outcome, begin, giveUp: () => controller.abort() };
}

const bodyIn = (received = '') => received.split('\r\n\r\n')[1];

describe('a call of which only the end waits', () => {
  it.each(Object.entries(BODIES))(
    'has sent the rest when it may begin, of %s',
    async (_of, body) => {
      const { origin, seen } = await providerOf();
      const { outcome, begin } = callTo(origin, { body });
      await expect.poll(() => bodyIn(seen[0]?.received)).toBe(TEXT.slice(0, -1));
      expect(seen[0]?.received).toContain(`content-length: ${Buffer.byteLength(TEXT)}\r\n`);
      begin();
      expect((await outcome).body?.toString()).toBe('ok');
      expect(seen.map(({ received }) => bodyIn(received))).toEqual([TEXT]);
    },
  );

  it('leaves the same over a kept connection, which stays kept', async () => {
    const { origin, seen } = await providerOf();
    for (let calls = 1; calls <= 3; calls += 1) {
      const { outcome, begin } = callTo(origin);
      await expect.poll(() => seen[0]?.received.split(TEXT.slice(0, -1)).length).toBe(calls + 1);
      begin();
      expect((await outcome).status).toBe(200);
    }
    expect(seen.map(({ received }) => received.split(TEXT).length)).toEqual([4]);
  });

  it('leaves once where it may begin before there is a connection', async () => {
    const { origin, seen } = await providerOf();
    const { outcome, begin } = callTo(origin);
    begin();
    expect((await outcome).status).toBe(200);
    expect(bodyIn(seen[0]?.received)).toBe(TEXT);
  });

  it('leaves once where it may begin while its kept connection is looked at', async () => {
    const { origin, seen } = await providerOf();
    await outcomeOf(upstream, origin);
    await sleep(WHILE_MS);
    const { outcome, begin } = callTo(origin);
    await Promise.resolve();
    begin();
    expect((await outcome).status).toBe(200);
    await sleep(WHILE_MS);
    expect(seen.map(({ received }) => received.split('POST').length)).toEqual([3]);
  });

  it('ends its connection when it is given up, and is unsent', async () => {
    const { origin, seen } = await providerOf();
    const { outcome, giveUp } = callTo(origin);
    await expect.poll(() => seen[0]?.received.length).toBeGreaterThan(TEXT.length);
    giveUp();
    expect((await outcome).fault).toMatchObject({ phase: 'unsent' });
    await expect.poll(() => seen[0]?.isOver).toBe(true);
    expect((await outcomeOf(upstream, origin)).status).toBe(200);
    expect(bodyIn(seen[0]?.received)).toBe(TEXT.slice(0, -1));
    expect(seen.length).toBe(2);
  });

  it('waits unwritten where its body is short, or does not end as an object does', async () => {
    const { origin, seen } = await providerOf();
    const long = 'a'.repeat(100_000);
    for (const body of ['{"a":1}', `[${long}]`, [Buffer.from(`${long}}`), Buffer.from('')], []]) {
      const { outcome, giveUp } = callTo(origin, { body });
      await sleep(WHILE_MS);
      giveUp();
      await outcome;
    }
    expect(seen).toMatchObject([{ received: '' }]);
  });
});

describe.each([
  ['a new', false],
  ['a kept', true],
])('half a request over %s connection', (_kind, isKept) => {
  it.each<[string, (socket: net.Socket) => void]>([
    ['answered', (socket) => socket.write(UNAUTHORIZED)],
    ['answered and hung up on', (socket) => socket.end(UNAUTHORIZED)],
    ['told to go on', (socket) => socket.write('HTTP/1.1 100 Continue\r\n\r\n')],
    ['hung up on', (socket) => socket.end()],
    ['reset', (socket) => socket.resetAndDestroy()],
  ])('that is %s is sent once, and anew, whole, when it may', async (_what, greet) => {
    const { origin, seen } = await providerOf(greet);
    if (isKept) await outcomeOf(upstream, origin);
    const { outcome, begin } = callTo(origin);
    await expect.poll(() => seen.length).toBe(2);
    await sleep(WHILE_MS);
    expect(seen).toMatchObject([{ isOver: true }, { received: '', isOver: false }]);
    begin();
    expect((await outcome).status).toBe(200);
    expect(bodyIn(seen[1]?.received)).toBe(TEXT);
  });
});

const MS = fc.integer({ min: 0, max: 4 });
const MAYBE_MS = fc.option(MS, { nil: undefined });
const HISTORIES = fc
  .record({
    isKept: fc.boolean(),
    body: fc.constantFrom<UpstreamRequest['body']>(BODIES.text, BODIES.parts),
    fate: fc.constantFrom('waits', 'answers', 'ends', 'resets', 'answers and ends'),
    fateMs: MS,
    beginMs: MAYBE_MS,
    giveUpMs: MAYBE_MS,
  })
  .filter(({ beginMs, giveUpMs }) => beginMs !== undefined || giveUpMs !== undefined);

describe('whatever a provider does to half a request', () => {
  it('gets it once at most, when it may have begun, and nothing is heard of it before', async () => {
    await fc.assert(
      fc.asyncProperty(HISTORIES, async (history) => {
        const { body, fate, fateMs, beginMs, giveUpMs } = history;
        const told = { begun: false, givenUp: false };
        const got: (typeof told)[] = [];
        const half = bodyText(body).slice(0, -1);
        const server = await startRawServer(async (socket, received) => {
          if (received.endsWith('"kept"}')) socket.write(OK);
          else if (received.endsWith(`${half}}`)) {
            got.push({ ...told });
            socket.write(OK);
          } else if (received.endsWith(half)) {
            await sleep(fateMs);
            if (fate.startsWith('answers')) socket.write(UNAUTHORIZED);
            if (fate.endsWith('ends')) socket.end();
            if (fate === 'resets') socket.resetAndDestroy();
          }
        });
        if (history.isKept) await outcomeOf(upstream, server.origin, { body: '"kept"}' });
        const { outcome, begin, giveUp } = callTo(server.origin, { body });
        const heard = outcome.then(({ fault }) => ({ ...told, phase: fault?.phase }));
        const tell = async (what: keyof typeof told, ms: number | undefined, go: () => void) => {
          if (ms === undefined) return;
          await sleep(ms);
          told[what] = true;
          go();
        };
        await Promise.all([tell('begun', beginMs, begin), tell('givenUp', giveUpMs, giveUp)]);
        const { begun, givenUp, phase } = await heard;
        await sleep(2);
        await server.close();
        expect(begun || givenUp).toBe(true);
        expect(got.length).toBeLessThanOrEqual(phase === 'unsent' ? 0 : 1);
        expect(got.every((each) => each.begun)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});
