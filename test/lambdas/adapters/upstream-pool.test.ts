import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/clock.ts';
import { UpstreamFault } from '../../../core/providers/upstream.ts';
import { createHttpUpstream } from '../../../lambdas/adapters/http-upstream.ts';
import {
  ANSWER,
  type FaultProvider,
  startFaultProvider,
  type WireFault,
} from '../../support/fault-provider.ts';
import { freeze, startLeavingServer } from '../../support/leaving-server.ts';
import { outcomeOf, requestTo, TOTAL_MS } from '../../support/upstream-calls.ts';

let upstream: ReturnType<typeof createHttpUpstream>;

beforeAll(() => {
  upstream = createHttpUpstream({ clock: systemClock });
});
afterAll(() => upstream.close());

describe('the pool', () => {
  it('uses a connection again, the last one first', async () => {
    const own = await startFaultProvider();
    for (let call = 0; call < 20; call += 1) await outcomeOf(upstream, own.url('ok'));
    expect(own.seen).toMatchObject({ connections: 1, requests: 20 });
    await own.close();
  });

  it.each([0, 20])('sends once over a connection hung up on %i ms after its answer', async (ms) => {
    const own = await startFaultProvider();
    for (let call = 0; call < 5; call += 1) {
      const { status } = await outcomeOf(upstream, own.url('hang-up-after', { ms: String(ms) }));
      expect(status).toBe(200);
      await untilOpen(own, 0);
    }
    expect(own.seen).toMatchObject({ connections: 5, requests: 5 });
    await own.close();
  });

  it('does not trust a connection that was idle for too long by the wall clock', async () => {
    const own = await startFaultProvider();
    let aheadMs = 0;
    const clock = { nowMs: () => Date.now() + aheadMs };
    const frozen = createHttpUpstream({ clock });
    const call = async () => {
      const deadlineMs = clock.nowMs() + TOTAL_MS;
      const { body } = await frozen.send(requestTo(own.url('ok'), { deadlineMs }));
      for await (const _ of body);
    };
    await call();
    aheadMs = 29_000;
    await call();
    expect(own.seen.connections).toBe(1);
    aheadMs += 31_000;
    await call();
    expect(own.seen).toMatchObject({ connections: 2, requests: 3 });
    frozen.close();
    await own.close();
  });

  it('learns of a hang-up that came while the process was frozen before it writes', async () => {
    const { origin, requests, close } = await startLeavingServer();
    let aheadMs = 0;
    const clock = { nowMs: () => Date.now() + aheadMs };
    const thawed = createHttpUpstream({ clock });
    for (let round = 1; round <= 5; round += 1) {
      const deadlineMs = clock.nowMs() + TOTAL_MS;
      const { body } = await thawed.send(requestTo(origin, { deadlineMs }));
      for await (const _ of body);
      expect(requests()).toBe(round);
      freeze(30);
      aheadMs += 2_000;
    }
    thawed.close();
    await close();
  });

  it('never gives an answer that nobody asked for to the next call', async () => {
    const own = await startFaultProvider();
    for (let round = 0; round < 3; round += 1) {
      expect((await outcomeOf(upstream, own.url('late-second-answer'))).body?.toString()).toBe(
        ANSWER,
      );
      await sleep(60);
      expect((await outcomeOf(upstream, own.url('ok'))).body?.toString()).toBe(ANSWER);
    }
    expect(own.seen.requests).toBe(6);
    await own.close();
  });

  it('sends a call whose answer never began only once', async () => {
    const own = await startFaultProvider();
    await outcomeOf(upstream, own.url('ok'));
    const { fault } = await outcomeOf(upstream, own.url('reset-before'));
    expect(fault).toEqual({ code: 'upstream_unreachable', phase: 'sent' });
    expect(own.seen.requests).toBe(2);
    await own.close();
  });

  it('frees the connection of a call that is aborted', async () => {
    const own = await startFaultProvider();
    for (const fault of ['drip-forever', 'stall-mid', 'flood', 'gzip-bomb'] as const) {
      const response = await upstream.send(requestTo(own.url(fault)));
      expect(own.seen.open).toBe(1);
      response.abort();
      response.abort();
      await untilOpen(own, 0);
      const rest = async () => {
        for await (const _ of response.body);
      };
      await expect(rest()).rejects.toThrow(UpstreamFault);
    }
    await own.close();
  });

  it('frees the connection of a reader that leaves', async () => {
    const own = await startFaultProvider();
    const { body } = await upstream.send(requestTo(own.url('flood')));
    for await (const _ of body) break;
    await untilOpen(own, 0);
    await own.close();
  });

  it('does not grow over 3,000 calls that fail in every way', async () => {
    const own = await startFaultProvider();
    const faults: WireFault[] = [
      'reset-before',
      'hang-up-before',
      'reset-mid',
      'truncate',
      'too-short',
      'too-long',
      'two-answers',
      'not-http',
      'bad-chunk',
      'gzip-cut',
      'gzip-lie',
      'unknown-encoding',
      'huge-headers',
      'switch-protocols',
      'status',
    ];
    let calls = 0;
    const caller = async () => {
      while (calls < 3_000) {
        calls += 1;
        await outcomeOf(upstream, own.url(faults[calls % faults.length] ?? 'ok'), {
          deadlineMs: Date.now() + 10_000,
          firstByteTimeoutMs: 5_000,
          idleTimeoutMs: 5_000,
          connectTimeoutMs: 5_000,
        });
      }
    };
    await Promise.all(Array.from({ length: 20 }, caller));
    await sleep(50);
    // What is open is the pool: no more than the callers there were.
    expect(own.seen.open).toBeLessThanOrEqual(20);
    upstream.close();
    await untilOpen(own, 0);
    await own.close();
  }, 60_000);
});

async function untilOpen({ seen }: FaultProvider, count: number): Promise<void> {
  for (let attempt = 0; seen.open !== count && attempt < 100; attempt += 1) await sleep(10);
  expect(seen.open).toBe(count);
}
