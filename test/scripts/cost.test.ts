import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import {
  billOf,
  peakStreams,
  readCostBook,
  type Traffic,
  totalUsd,
} from '../../scripts/cost/bill.ts';

/** The case of the published cost law: 304 million streams of 4.8 s and 72 kB, two writes a call. */
const LAW: Traffic = {
  requests: 304e6,
  seconds: 4.8,
  answerKb: 72,
  questionKb: 10,
  eventKb: 1.6,
  logKb: 0.5,
  writes: 2,
  reads: 0.1,
  peakFactor: 4,
};

describe('the bill of a month', () => {
  const book = readCostBook();
  const perMillion = (lines: readonly { usd: number }[]) =>
    lines.reduce((sum, { usd }) => sum + usd, 0) / (LAW.requests / 1e6);

  it('charges 13.33 dollars for a gigabyte, a second and a million calls', () => {
    const [duration] = billOf(LAW, { kind: 'lambda', memoryMb: 1024 }, book).filter(
      ({ what }) => what === 'Lambda, duration',
    );
    expect((duration?.usd ?? 0) / 304 / 4.8).toBeCloseTo(13.3334, 3);
  });

  it('is under 30 dollars a million on Lambda with two writes a call', () => {
    const total = perMillion(billOf(LAW, { kind: 'lambda', memoryMb: 256 }, book));
    expect(total).toBeGreaterThan(25);
    expect(total).toBeLessThan(30);
  });

  it('has no idle cost on Lambda but the stream', () => {
    const idle = billOf({ ...LAW, requests: 0 }, { kind: 'lambda', memoryMb: 256 }, book);
    expect(idle.filter(({ usd }) => usd > 0).map(({ what }) => what)).toEqual(['Kinesis, stream']);
  });

  it('keeps the smallest number of instances when nobody calls', () => {
    const instances = { kind: 'managed-instances', streamsPerVcpu: 64, utilisation: 0.6 } as const;
    const idle = billOf({ ...LAW, requests: 0 }, { ...instances, minInstances: 3 }, book);
    expect(idle.find(({ what }) => what === 'Instances')?.usd).toBeCloseTo(3 * 730 * 0.58, 6);
  });

  it('prices what lies above a tier at the next tier alone', () => {
    const usd = (requests: number) =>
      billOf({ ...LAW, requests }, { kind: 'lambda', memoryMb: 256 }, book)[0]?.usd;
    expect(usd(333e6)).toBeCloseTo(333 * 3.5, 6);
    expect(usd(433e6)).toBeCloseTo(333 * 3.5 + 100 * 2.8, 6);
  });

  it('says how many streams are open at the peak', () => {
    expect(peakStreams({ ...LAW, requests: 300e6, seconds: 10, peakFactor: 4.3 })).toBe(4909);
  });

  it('adds up', () => {
    expect(totalUsd([])).toBe(0);
    expect(totalUsd([{ what: 'a', quantity: 1, unit: 'b', usd: 2.5 }])).toBe(2.5);
  });
});

describe('npm run cost', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ['scripts/cost.ts', ...args], { encoding: 'utf8' });

  it('prints both compute modes', () => {
    const { stdout, status } = run('--requests', '22M', '--seconds', '10');
    expect(status).toBe(0);
    expect(stdout).toMatch(/compute: lambda, 256 MB.*total.*compute: managed-instances.*total/s);
  });

  it('refuses what is no count', () => {
    const { stderr, status } = run('--requests', 'many');
    expect(status).toBe(2);
    expect(stderr).toContain('--requests: a count such as 300M or 50000');
  });
});
