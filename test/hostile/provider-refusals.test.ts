import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type FaultProvider,
  startFaultProvider,
  type WireFault,
} from '../support/fault-provider.ts';
import { createTestGateway, model, type TestGateway } from '../support/gateway.ts';
import { teamState, withProvider } from '../support/served.ts';
import { expectCleanError, PROMPTS } from './dialects.ts';

const { gateway, provider } = withProvider();
let wire: FaultProvider;
beforeAll(async () => {
  wire = await startFaultProvider();
});
afterAll(() => wire.close());

/** What a provider of each kind says instead of an answer, and the status that its caller then gets. */
const REFUSALS: readonly (readonly [fault: string, status: number])[] = [
  ['400', 400],
  ['401', 502],
  ['403', 502],
  ['404', 502],
  ['408', 504],
  ['409', 502],
  ['413', 400],
  ['422', 400],
  ['429', 429],
  ['429+retry-after=0', 429],
  ['429+retry-after=1000000000', 429],
  ['429+retry-after=-5', 429],
  ['429+retry-after=soon', 429],
  ['429+retry-after=Fri,%2031%20Dec%202027%2023:59:59%20GMT', 429],
  ['500', 502],
  ['502', 502],
  ['503', 503],
  ['504', 504],
  ['529', 503],
  ['204', 502],
  ['html', 502],
  ['html-502', 502],
  ['empty', 502],
  ['redirect', 502],
  ['overloaded', 503],
  ['reset-before', 503],
];

/** What breaks in the middle of a whole answer; a part of it was made, so the call is not for nothing. */
const BROKEN_OFF = [
  ['reset-mid', 502],
  ['truncate', 502],
  ['stall-mid', 504],
] as const;

/** What a provider does to the wire where an answer should begin. */
const WIRE_FAULTS: readonly WireFault[] = [
  'hang-up-before',
  'reset-in-head',
  'reset-mid',
  'truncate',
  'too-short',
  'stall-mid',
  'flood',
  'huge-event',
  'html',
  'gzip-empty',
  'gzip-cut',
  'gzip-lie',
  'gzip-bomb',
  'unknown-encoding',
  'bad-utf-8',
  'empty',
  'no-content',
  'bad-chunk',
  'huge-headers',
  'not-http',
  'switch-protocols',
];

describe.each(PROMPTS)('a caller of $path', ({ path, dialect, body }) => {
  describe.each(['openai', 'anthropic', 'bedrock', 'vllm'] as const)('of kind %s', (kind) => {
    it.each(REFUSALS)(
      'whose provider answers %s gets %i in its own dialect',
      async (fault, status) => {
        for (const stream of [false, true]) {
          const g = withKey(
            gateway({
              kind,
              providerUrl: kind === 'openai' ? provider().url : `${provider().url}/${kind}`,
              models: [model('sim-small', `sim-small+ttft=0+fault=${fault}`)],
            }),
          );
          const answer = await g.call({ method: 'POST', path, body: { ...body, stream } });
          await answer.closed;
          expect({ stream, status: answer.status }).toEqual({ stream, status });
          expectCleanError(answer, dialect);
          expect(g.events).toMatchObject([{ outcome: 'error', status }]);
          expect(teamState(g).holds).toBe(0);
          const retryAfter = answer.headers['retry-after'];
          if (retryAfter !== undefined) {
            expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
            expect(Number(retryAfter)).toBeLessThanOrEqual(60);
          }
        }
      },
    );
  });

  it.each(BROKEN_OFF)(
    'whose answer does %s gets %i and pays for its bound',
    async (fault, status) => {
      const g = gateway({
        models: [model('sim-small', `sim-small+ttft=0+tokens=40+fault=${fault}`)],
        idleTimeoutMs: 300,
      });
      const answer = await g.call({ method: 'POST', path, body });
      await answer.closed;
      expect(answer.status).toBe(status);
      expectCleanError(answer, dialect);
      expect(g.events).toMatchObject([{ outcome: 'error', estimated: true }]);
      expect(teamState(g).holds).toBe(0);
      expect(teamState(g).settled).toBeGreaterThan(0);
    },
  );

  it.each(WIRE_FAULTS)('whose provider does %s gets an error of its own dialect', async (fault) => {
    const g = createTestGateway({ providerUrl: `${wire.origin}/${fault}`, idleTimeoutMs: 300 });
    try {
      for (const stream of [false, true]) {
        const answer = await g.call({ method: 'POST', path, body: { ...body, stream } });
        await answer.closed;
        expect(answer.status).toBeGreaterThanOrEqual(500);
        expectCleanError(answer, dialect);
        expect(teamState(g).holds).toBe(0);
      }
    } finally {
      g.close();
    }
  });
});

it('keeps no more than a few megabytes of a stream that never says anything', async () => {
  const g = createTestGateway({ providerUrl: `${wire.origin}/flood` });
  const before = wire.seen.bytesSent;
  const answer = await g.chat({ stream: true });
  await answer.closed;
  g.close();
  expect(answer.status).toBe(502);
  // The bound is a megabyte; the rest is in the sockets' buffers.
  expect(wire.seen.bytesSent - before).toBeLessThan(12_000_000);
});

/** Bedrock's calls carry a key here instead of a signature. */
function withKey(g: TestGateway): TestGateway {
  Object.assign(g.ports.providerKeys, { get: async () => 'sk-provider' });
  return g;
}
