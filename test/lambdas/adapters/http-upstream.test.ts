import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/clock.ts';
import { createSseParser, MAX_EVENT_BYTES } from '../../../core/dialects/sse.ts';
import type { BrokenPhase, UpstreamFaultCode } from '../../../core/providers/upstream.ts';
import { createHttpUpstream } from '../../../lambdas/adapters/http-upstream.ts';
import {
  ANSWER,
  type FaultProvider,
  HTML,
  STREAM,
  startFaultProvider,
  type WireFault,
} from '../../support/fault-provider.ts';
import { originOf, outcomeOf, requestTo, TIMES, TOTAL_MS } from '../../support/upstream-calls.ts';

/** What the machine may add to a time-out. */
const SLACK_MS = 300;
const MAX_BODY_BYTES = 20_000_000;

let provider: FaultProvider;
let upstream: ReturnType<typeof createHttpUpstream>;

beforeAll(async () => {
  provider = await startFaultProvider();
  upstream = createHttpUpstream({ clock: systemClock, maxBodyBytes: MAX_BODY_BYTES });
});
afterAll(async () => {
  upstream.close();
  await provider.close();
});

describe('an answer on the wire', () => {
  it.each<[WireFault, number, string]>([
    ['ok', 200, ANSWER],
    ['stream', 200, STREAM],
    ['html', 200, HTML],
    ['gzip', 200, ANSWER],
    ['gzip-stream', 200, STREAM],
    ['gzip-empty', 200, ''],
    ['deflate', 200, ANSWER],
    ['br', 200, ANSWER],
    ['empty', 200, ''],
    ['no-content', 204, ''],
    ['http-1-0', 200, ANSWER],
    ['trailers', 200, ANSWER],
    ['too-long', 200, ANSWER],
    ['two-answers', 200, ANSWER],
  ])('of the kind %s is read whole', async (fault, status, body) => {
    const outcome = await outcomeOf(upstream, provider.url(fault));
    expect({ status: outcome.status, body: outcome.body?.toString() }).toEqual({ status, body });
  });

  it.each([400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529])(
    'with the status %i is an answer, not a fault',
    async (code) => {
      for (const advice of ['0', '1e9', 'Wed, 21 Oct 2026 07:28:00 GMT', 'soon'])
        expect(
          await outcomeOf(
            upstream,
            provider.url('status', { code: String(code), 'retry-after': advice }),
          ),
        ).toMatchObject({ status: code, headers: { 'retry-after': advice } });
    },
  );

  it('passes bytes on as they are, whatever they mean as text', async () => {
    const { body } = await outcomeOf(upstream, provider.url('bad-utf-8'));
    expect(body?.toString('hex')).toBe('7bffc37d');
  });

  it('keeps no header that was true only of the compressed body', async () => {
    const { headers } = await outcomeOf(upstream, provider.url('gzip'));
    expect(Object.keys(headers ?? {})).not.toContain('content-encoding');
    expect(Object.keys(headers ?? {})).not.toContain('content-length');
  });
});

describe('a broken call', () => {
  it.each<[WireFault, UpstreamFaultCode, BrokenPhase]>([
    ['reset-before', 'upstream_unreachable', 'sent'],
    ['hang-up-before', 'upstream_unreachable', 'sent'],
    ['reset-in-head', 'upstream_unreachable', 'sent'],
    ['not-http', 'upstream_error', 'answering'],
    ['huge-headers', 'upstream_error', 'answering'],
    ['switch-protocols', 'upstream_error', 'sent'],
    ['stall-before', 'upstream_timeout', 'sent'],
    ['dribble-head', 'upstream_timeout', 'sent'],
    ['continue-forever', 'upstream_timeout', 'sent'],
    ['reset-mid', 'upstream_error', 'answering'],
    ['truncate', 'upstream_error', 'answering'],
    ['too-short', 'upstream_error', 'answering'],
    ['bad-chunk', 'upstream_error', 'answering'],
    ['stall-mid', 'upstream_timeout', 'answering'],
    ['drip-forever', 'upstream_timeout', 'answering'],
    ['flood', 'upstream_error', 'answering'],
    ['gzip-cut', 'upstream_error', 'answering'],
    ['gzip-lie', 'upstream_error', 'answering'],
    ['gzip-bomb', 'upstream_error', 'answering'],
    ['unknown-encoding', 'upstream_error', 'answering'],
  ])('by %s ends as %s, %s, in time', async (fault, code, phase) => {
    const outcome = await outcomeOf(upstream, provider.url(fault));
    expect(outcome.fault).toEqual({ code, phase });
    expect(outcome.ms).toBeLessThan(TOTAL_MS + SLACK_MS);
  });

  it('by an event that is too large ends at the bound of events', async () => {
    const { body } = await upstream.send(requestTo(provider.url('huge-event')));
    const parser = createSseParser();
    let read = 0;
    const reading = (async () => {
      for await (const part of body) {
        if (part === 'quiet') continue;
        read += part.length;
        parser.push(part);
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'upstream_error' });
    expect(read).toBeLessThan(MAX_EVENT_BYTES + 200_000);
  });

  it('by a closed port is unsent', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const origin = originOf(server);
    server.close();
    const { fault } = await outcomeOf(upstream, `${origin}/ok`);
    expect(fault).toEqual({ code: 'upstream_unreachable', phase: 'unsent' });
  });

  it('by a server that never greets is unsent after the connect time-out', async () => {
    const { fault, ms } = await outcomeOf(upstream, provider.url('ok').replace('http:', 'https:'), {
      firstByteTimeoutMs: 5_000,
    });
    expect(fault).toEqual({ code: 'upstream_unreachable', phase: 'unsent' });
    expect(ms).toBeLessThan(TIMES.connectTimeoutMs + SLACK_MS);
  });

  it('by a server that does not read the prompt ends with the first-byte time-out', async () => {
    const server = net.createServer((socket) => socket.pause().on('error', () => undefined));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { fault, ms } = await outcomeOf(upstream, `${originOf(server)}/ok`, {
      body: 'x'.repeat(12_000_000),
    });
    server.close();
    expect(fault).toEqual({ code: 'upstream_timeout', phase: 'sent' });
    expect(ms).toBeLessThan(TIMES.firstByteTimeoutMs + SLACK_MS);
  });

  it('by a deadline that has passed is unsent', async () => {
    const { fault } = await outcomeOf(upstream, provider.url('ok'), { deadlineMs: Date.now() });
    expect(fault).toEqual({ code: 'upstream_timeout', phase: 'unsent' });
  });

  it('by a deadline ends a stream that never pauses', async () => {
    const roomy = createHttpUpstream({ clock: systemClock, maxBodyBytes: 1e12 });
    const { body } = await roomy.send(requestTo(provider.url('flood')));
    const startMs = performance.now();
    const reading = (async () => {
      for await (const _ of body);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'upstream_timeout', phase: 'answering' });
    expect(performance.now() - startMs).toBeLessThan(TOTAL_MS + SLACK_MS);
    roomy.close();
  });
});

describe('a provider that points elsewhere', () => {
  it('is not followed: the trap sees no connection', async () => {
    let hits = 0;
    const trap = net.createServer((socket) => {
      hits += 1;
      socket.destroy();
    });
    trap.listen(0, '127.0.0.1');
    await once(trap, 'listening');
    const to = `${originOf(trap)}/trap`;
    for (const code of ['300', '301', '302', '303', '305', '307', '308', '401', '407', '421'])
      expect((await outcomeOf(upstream, provider.url('redirect', { code, to }))).status).toBe(
        Number(code),
      );
    expect((await outcomeOf(upstream, provider.url('early-hints', { to }))).status).toBe(200);
    await sleep(50);
    trap.close();
    expect(hits).toBe(0);
  });
});

describe('a silent body', () => {
  it('is told of at every interval, and is silence only while the reader waits', async () => {
    const nervous = createHttpUpstream({ clock: systemClock, quietMs: 30 });
    const { body } = await nervous.send(
      requestTo(provider.url('stall-mid'), { deadlineMs: Date.now() + 2_000 }),
    );
    const seen: string[] = [];
    const reading = (async () => {
      for await (const part of body) {
        seen.push(part === 'quiet' ? 'quiet' : 'bytes');
        // Longer than the idle time-out, and the reader's own doing.
        if (part !== 'quiet') await sleep(TIMES.idleTimeoutMs + 50);
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'upstream_timeout', phase: 'answering' });
    expect(seen[0]).toBe('bytes');
    expect(seen.slice(1)).toEqual(Array(seen.length - 1).fill('quiet'));
    expect(seen.length).toBeGreaterThan(3);
    expect(seen.length).toBeLessThan(10);
    nervous.close();
  });
});

describe('a reader that is slow', () => {
  it('holds bounded memory of a provider that floods', async () => {
    const own = await startFaultProvider();
    const patient = createHttpUpstream({ clock: systemClock });
    const { body, abort } = await patient.send(
      requestTo(own.url('flood'), { deadlineMs: Date.now() + 20_000, idleTimeoutMs: 5_000 }),
    );
    const before = process.memoryUsage();
    let read = 0;
    let most = 0;
    const startMs = performance.now();
    for await (const part of body) {
      if (part !== 'quiet') read += part.length;
      const { arrayBuffers, heapUsed } = process.memoryUsage();
      most = Math.max(most, arrayBuffers + heapUsed - before.arrayBuffers - before.heapUsed);
      if (performance.now() - startMs > 2_000) break;
      await sleep((read / 64_000) * 1_000 - (performance.now() - startMs));
    }
    abort();
    patient.close();
    await own.close();
    // Between the two are the buffers of the kernel, of which a loopback connection has up to 10 MB.
    expect(own.seen.bytesSent - read).toBeLessThan(16_000_000);
    expect(most).toBeLessThan(16_000_000);
  }, 30_000);
});
