import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CpuShare } from '../../bench/cpu-share.ts';
import { createLoadClient } from '../../bench/load-client.ts';
import { cpuShares } from '../../bench/loads/cpu-shares.ts';
import { departures } from '../../bench/loads/departures.ts';
import type { Load } from '../../bench/loads/load.ts';
import { pacedStreams } from '../../bench/loads/paced-streams.ts';
import { strangers } from '../../bench/loads/strangers.ts';
import { MODELS } from '../../bench/models.ts';
import { report } from '../../bench/report.ts';
import type { Results } from '../../bench/results.ts';
import { quantile, summarize } from '../../bench/statistics.ts';
import { startTargets, type TargetName, type Targets } from '../../bench/targets/targets.ts';

const PLAN: Results['plan'] = {
  ...{ rounds: 1, leadInMs: 100, pacedCalls: 3, jsonCalls: 1 },
  ...{ streamMs: 100, jsonMs: 100, largeCalls: 1 },
  ...{ shareCalls: 1, departures: 1, capacityMs: 1, warmUpMs: 1, coldStarts: 1, clientCalls: 1 },
};

const BOOKS_MS = 400;

describe('the load', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-bench-test-'));
  let targets: Targets;

  beforeAll(async () => {
    const only = ['direct', 'barePipe', 'memory', 'stub4'] as const;
    const { signal } = new AbortController();
    targets = await startTargets({ dataDir, synthCacheDir: '', only, signal });
  });
  afterAll(async () => {
    await targets.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const targetOf = (name: TargetName) => {
    const target = targets.all.find((each) => each.name === name);
    if (target === undefined) throw new Error(`${name} was not started`);
    return target;
  };
  const withClient = async <T>(
    name: TargetName,
    use: (client: ReturnType<typeof createLoadClient>) => Promise<T>,
  ): Promise<T> => {
    const client = createLoadClient(targetOf(name).endpoint);
    return use(client).finally(() => client.close());
  };
  const run = async (load: Load, name: TargetName, cpuShare?: CpuShare) => {
    // The books of the calls before are closed behind their last bytes.
    await sleep(BOOKS_MS);
    return withClient(name, (client) =>
      load(
        { target: targetOf(name), client },
        { plan: PLAN, providerUrl: targets.providerUrl, cpuShare },
      ),
    );
  };

  it('reads from the stamps what the way adds to each token', async () => {
    for (const { name } of targets.all) {
      const call = await withClient(name, (client) => client.call({ model: MODELS.paced }));
      expect(call.transitsMs).toHaveLength(MODELS.paced.tokens);
      // The stream itself takes half a second, of which nothing is in these times.
      expect(call.overMs).toBeGreaterThan(0);
      expect(call.overMs).toBeLessThan(400);
      expect(Math.min(...call.transitsMs)).toBeGreaterThan(0);
      expect(call.merged).toBeLessThan(MODELS.paced.tokens / 2);
    }
  });

  it('counts the calls of callers that never pause', async () => {
    for (const { name } of targets.all) {
      const { calls, callsPerSecond } = await withClient(name, (client) =>
        client.saturated({ model: MODELS.saturated }, { concurrency: 2, durationMs: 200 }),
      );
      expect(calls).toBeGreaterThan(2);
      expect(callsPerSecond).toBeLessThanOrEqual(calls / 0.2);
    }
  });

  it('fails when a call is not answered as it should be', async () => {
    const { url } = targetOf('memory').endpoint;
    const stranger = createLoadClient({ url, headers: { authorization: 'Bearer tg_nobody' } });
    await expect(stranger.call({ model: MODELS.saturated })).rejects.toThrow('answered 401');
    stranger.close();
  });

  it('counts the writes of a call in the table, and not those of the calls before the load', async () => {
    const { writesPerCall } = await run(pacedStreams, 'stub4');
    expect(writesPerCall).toBe(4);
  });

  it('tells the first call after silence by itself', async () => {
    const { pacedFirstOver, pacedOverP50 } = await run(pacedStreams, 'barePipe');
    expect(pacedFirstOver).toBeGreaterThan(0);
    expect(pacedOverP50).toBeGreaterThan(0);
  });

  it('takes the first call after silence at the smallest share, before any other', async () => {
    const held: number[] = [];
    const cpuShare = { hold: (_pids: unknown, mb: number) => held.push(mb), release: () => {} };
    const figures = await run(cpuShares, 'barePipe', { ...cpuShare, remove: () => {} });
    expect(held).toEqual([256, 256, 512, 1769]);
    expect(figures.share256First).toBeGreaterThan(0);
    expect(figures.share1769P99).toBeGreaterThan(0);
  });

  it('counts the round trips that follow upon one another before the provider is asked', async () => {
    const { strangerTrips, knownTrips, roundTrip } = await run(strangers, 'stub4');
    expect(strangerTrips).toBeGreaterThan(knownTrips ?? Number.NaN);
    expect(knownTrips).toBeLessThanOrEqual(1);
    expect(roundTrip).toBeGreaterThanOrEqual(3.9);
  });

  it('sees the books of a caller that left closed', async () => {
    const { leftMax, leftSettled, leftHolds } = await run(departures, 'stub4');
    expect(leftMax).toBeLessThan(1_000);
    expect({ leftSettled, leftHolds }).toEqual({ leftSettled: 1, leftHolds: 0 });
  });
});

describe('the report', () => {
  const times = { median: 100, min: 90, max: 120 };
  const results = (overMs: readonly number[]): Results => ({
    coldStart: {
      ...{ bytes: 300_000, eagerBytes: 100_000, eagerGzipBytes: 50_000 },
      ...{ loadMs: times, askedMs: times, emptyLoadMs: times },
      ...{ fullStackBytes: 1_400_000, fullStackLoadMs: times },
    },
    awsClient: { one: 0.2, sixteen: 0.1 },
    estimate: { boundUs: 1, underPercent: 0, quarterUnderPercent: 47.5, texts: [] },
    takenAt: new Date(0),
    loadAverage: [0.5, 1.25],
    plan: { ...PLAN, rounds: overMs.length },
    rounds: overMs.map(
      (pacedOverP50) =>
        new Map([
          ['barePipe', { pacedOverP50: 0.5 }],
          ['stub0', { pacedOverP50 }],
        ] as const),
    ),
  });
  const line = (text: string, title: string) =>
    text.split('\n').find((each) => each.startsWith(`| ${title}`));

  it('puts the median over the rounds beside the goal', () => {
    const { text } = report(results([0.6, 0.9, 9]));
    expect(line(text, 'ours, table at 0 ms')).toContain('| 0.90 (0.60 to 9.00) |');
    expect(line(text, '3. `over` p50 of streams, bare pipe')).toBe(
      '| 3. `over` p50 of streams, bare pipe = 1 | 2.00x | 1.50x | 1.45x | 1.80x | met |',
    );
  });

  it('takes as much as the bar or more for met where more is better', () => {
    const { plan, rounds: _rounds, ...rest } = results([0.6]);
    const verdict = (mostStreams: number) => {
      const rounds = [
        new Map([
          ['barePipe', { mostStreams: 100 }],
          ['stub0', { mostStreams }],
        ] as const),
      ];
      return line(report({ ...rest, plan, rounds }).text, '7. streams a second');
    };
    expect(verdict(61)).toContain('| >= 0.60x | 0.75x | 0.75x | 0.61x | met |');
    expect(verdict(45)).toContain('| 0.45x | within the noise |');
    expect(verdict(30)).toContain('| 0.30x | **MISSED** |');
  });

  it('names a floor from the same run', () => {
    const { text } = report(results([0.6]));
    expect(line(text, '16. calls held at under')).toContain('| 47.5 % | 0.00 % | met |');
    expect(line(text, '19. a million streams of 4.8 s on Lambda')).toMatch(/\| 2\d\.\d \$ \| - \|/);
  });

  it('tells the whole bill beside the cost law and asks nothing of it', () => {
    const managed = { unitsPerCall: 2.4, readsPerCall: 0.01 };
    const { text } = report({
      ...results([0.6]),
      rounds: [new Map([['managed', managed]] as const)],
    });
    expect(line(text, '19. the same on managed instances')).toMatch(
      /\| 14\.0 \$ \| 13\.0 \$ \| 12\.0 \$ \| 13\.\d \$ \| met \|$/,
    );
    expect(line(text, '19. the same with NAT gateways')).toMatch(
      /\| - \| - \| 19\.\d \$ \| 20\.\d \$ \| {2}\|$/,
    );
  });

  it('tells a miss from the noise', () => {
    const verdict = (overMs: number) =>
      line(report(results([overMs])).text, '3. `over` p50 of streams, bare pipe');
    expect(verdict(1.05)).toContain('| 2.10x | within the noise |');
    expect(verdict(1.2)).toContain('| 2.40x | **MISSED** |');
  });

  it('does not take what was not measured for missed', () => {
    const { text, missed } = report({
      ...results([0.6]),
      coldStart: {
        ...{ bytes: 300_000, eagerBytes: 100_000, eagerGzipBytes: 1 },
        ...{ loadMs: times, emptyLoadMs: times },
        ...{ fullStackBytes: 1_400_000, fullStackLoadMs: times },
        askedMs: { median: 20, min: 19, max: 21 },
      },
    });
    expect(line(text, '1. CPU of a saturated stream')).toContain('| - | not measured |');
    expect(missed).toBe(false);
    expect(report(results([0.6])).missed).toBe(true);
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
