import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ColdStart } from '../../bench/cold-start.ts';
import { createLoadClient, type Endpoint } from '../../bench/load-client.ts';
import { LOADS } from '../../bench/loads.ts';
import { report } from '../../bench/report.ts';
import { quantile, summarize } from '../../bench/statistics.ts';
import { startTargets, type Targets } from '../../bench/targets.ts';

describe('the load', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-bench-test-'));
  let targets: Targets;

  beforeAll(async () => {
    targets = await startTargets({
      dataDir,
      synthCacheDir: '',
      proxyCodeDir: '',
      only: ['direct', 'barePipe', 'inProcess'],
      signal: new AbortController().signal,
    });
  });
  afterAll(async () => {
    await targets.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const withClient = async <T>(
    endpoint: Endpoint,
    use: (client: ReturnType<typeof createLoadClient>) => Promise<T>,
  ): Promise<T> => {
    const client = createLoadClient(endpoint);
    return use(client).finally(() => client.close());
  };

  it('takes the times of whole streams from every target', async () => {
    for (const { endpoint } of targets.all) {
      const calls = await withClient(endpoint, (client) =>
        client.paced(LOADS.paced50, { perSecond: 100, calls: 3 }),
      );
      expect(calls).toHaveLength(3);
      for (const { ttftMs, totalMs } of calls) {
        expect(ttftMs).toBeGreaterThan(0);
        // 50 tokens at 100 a second.
        expect(totalMs - ttftMs).toBeGreaterThan(400);
      }
    }
  });

  it('counts the calls of callers that never pause', async () => {
    for (const { endpoint } of targets.all) {
      const { calls, callsPerSecond } = await withClient(endpoint, (client) =>
        client.saturated(LOADS.burst50, { concurrency: 2, durationMs: 200 }),
      );
      expect(calls).toBeGreaterThan(2);
      expect(callsPerSecond).toBeLessThanOrEqual(calls / 0.2);
    }
  });

  it('fails when a call is not answered as it should be', async () => {
    const [, , gateway] = targets.all;
    const stranger = { url: gateway?.endpoint.url ?? '', key: 'tg_nobody' };
    const once = { perSecond: 1, calls: 1 };
    await expect(
      withClient(stranger, (client) => client.paced(LOADS.burst50, once)),
    ).rejects.toThrow('answered 401');
  });
});

describe('the report', () => {
  const times = { median: 30, min: 29, max: 33 };
  const coldStart: ColdStart = {
    bytes: 280_000,
    gzipBytes: 200_000,
    loadMs: times,
    emptyLoadMs: times,
  };
  const results = (addedMs: readonly number[]) => ({
    coldStart,
    takenAt: new Date(0),
    plan: {
      ...{ rounds: addedMs.length, pacedCalls: 1, longCalls: 1, burstMs: 1, warmUpMs: 1 },
      coldStarts: 9,
    },
    rounds: addedMs.map(
      (added, index) =>
        new Map([
          ['direct', { ttftMsP50: 10 * index }],
          ['barePipe', { ttftMsP50: 10 * index + 0.5 }],
          ['inProcess', { ttftMsP50: 10 * index + added }],
        ] as const),
    ),
  });

  it('takes the direct call off round by round, and the median over the rounds', () => {
    const { text, missed } = report(results([1, 1.5, 9]));
    expect(text).toContain('| gateway, accounts in memory | 1.50 (1.00 to 9.00) |');
    expect(text).toContain('| gateway, accounts in memory | 3.00x |');
    expect(missed).toBe(false);
  });

  it('says which goal is missed', () => {
    const { text, missed } = report(results([2, 2.5, 3]));
    expect(text).toContain('| < 2 ms | 2.50 ms | 1.25x | FAIL |');
    expect(missed).toBe(true);
  });

  it('takes an unknown figure for a missed goal', () => {
    const { text, missed } = report({ ...results([1]), rounds: [new Map()] });
    expect(text).toContain('| < 2 ms | - | - | FAIL |');
    expect(missed).toBe(true);
  });
});

describe('statistics', () => {
  it('interpolates quantiles between neighbours', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3], 1)).toBe(3);
  });

  it('leaves unknown values out and knows when nothing is known', () => {
    expect(summarize([3, undefined, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
    expect(summarize([undefined])).toBeUndefined();
  });
});
