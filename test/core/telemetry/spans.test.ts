import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isInSample, startTrace } from '../../../core/telemetry/spans.ts';

let nowMs = 1_000;
const clock = { nowMs: () => nowMs };
let id = 0;
const randomHex = (bytes: number) => (++id).toString(16).padStart(bytes * 2, '0');
const start = () =>
  startTrace({ clock, randomHex, traceparent: undefined, sampleRate: 1, startMs: 900 });

const traceIds = fc
  .tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }))
  .map(([high, low]) => high.toString(16).padStart(16, '0') + low.toString(16).padStart(16, '0'));

describe('a trace', () => {
  it('ends what nobody ended, and ends nothing twice', () => {
    const trace = start();
    const root = trace.begin('root', 'server');
    const child = trace.begin('child', 'internal', { a: 1 });
    nowMs = 1_100;
    child.end('broken');
    nowMs = 1_200;
    child.end();
    child.set({ b: 2 });
    expect(trace.finish()).toMatchObject([
      { name: 'root', startMs: 900, endMs: 1_200, error: 'unfinished' },
      { name: 'child', startMs: 1_000, endMs: 1_100, error: 'broken', attributes: { a: 1, b: 2 } },
    ]);
    root.end();
  });

  it('never has more than 64 spans', () => {
    const trace = start();
    for (let i = 0; i < 500; i++) trace.begin(`s${i}`, 'internal').end();
    expect(trace.finish()).toHaveLength(64);
  });

  it('is sampled in all or in none of the services that ask with the same or a greater rate', () => {
    fc.assert(
      fc.property(traceIds, fc.double({ min: 0, max: 1, noNaN: true }), (traceId, rate) => {
        if (isInSample(traceId, rate))
          expect(isInSample(traceId, Math.min(1, rate * 1.1))).toBe(true);
        expect(isInSample(traceId, 1)).toBe(true);
        expect(isInSample(traceId, 0)).toBe(false);
      }),
    );
  });

  it('is sampled about as often as the rate says', () => {
    const even = Array.from({ length: 5_000 }, (_, i) =>
      ((BigInt(i) * 0x9e3779b97f4a7c15n) & (2n ** 52n - 1n)).toString(16).padStart(32, '0'),
    );
    const share = even.filter((traceId) => isInSample(traceId, 0.1)).length / even.length;
    expect(Math.abs(share - 0.1)).toBeLessThan(0.02);
  });
});
