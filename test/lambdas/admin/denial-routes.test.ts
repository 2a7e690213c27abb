import { expect, it } from 'vitest';
import { news } from '../../../cli/commands/tail.ts';
import { foldEvents } from '../../../core/rollups/fold.ts';
import type { StoredRollup } from '../../../core/rollups/rollup-reader.ts';
import { memberOf } from '../../../core/rollups/subjects.ts';
import { denialRoutes } from '../../../lambdas/admin/denial-routes.ts';
import { usageEvent } from '../../core/rollups/usage-events.ts';

const NOW = Date.UTC(2026, 10, 21, 12, 3);
const WINDOW = Date.UTC(2026, 10, 21, 12);

/** What the monitor keeps of a team's calls. */
function storedOf(dimensions: readonly (string | null)[]): StoredRollup[] {
  const events = dimensions.map((denied_dimension, index) => ({
    event: usageEvent({
      request_id: `req_${index}`,
      event_time_ms: NOW,
      outcome: denied_dimension === null ? 'ok' : 'denied',
      denied_dimension,
      model_alias: 'org/fast',
    }),
    sequence: String(index).padStart(56, '0'),
    arrivedAtMs: NOW,
  }));
  return [...foldEvents(events, () => undefined).values()]
    .filter(({ subject, granularity }) => granularity === 'fiveMinutes' && 'teamId' in subject)
    .map(({ subject, startMs, amounts }) => ({
      member: memberOf(subject),
      startMs,
      rollup: amounts,
    }));
}

it('shows the calls of a team that limits refused, by window, model and dimension', async () => {
  const asked: unknown[] = [];
  const readCollection = async (...args: unknown[]) => {
    asked.push(args);
    return storedOf(['requestsPerMinute', 'requestsPerMinute', 'nanoUsdPerMonth', null]);
  };
  const [route] = denialRoutes({ rollups: { readCollection }, clock: { nowMs: () => NOW } });
  const query = { tenantId: 'acme', teamId: 'search', minutes: 30 };
  const answer = await route?.handle({
    principal: { id: 'lea', name: 'l', role: 'team-lead', tenantId: 'acme', teamId: 'search' },
    params: {},
    query,
    body: undefined,
    reason: undefined,
    sourceIp: '127.0.0.1',
    requestId: 'r',
  });
  const at = { window: new Date(WINDOW).toISOString(), model: 'org/fast' };
  expect(answer).toMatchObject({
    status: 200,
    body: {
      denials: [
        { ...at, dimension: 'requestsPerMinute', calls: 2 },
        { ...at, dimension: 'nanoUsdPerMonth', calls: 1 },
      ],
    },
  });
  expect(asked).toMatchObject([
    [
      { kind: 'team', tenantId: 'acme', teamId: 'search' },
      { fromMs: WINDOW - 30 * 60_000, toMs: NOW },
    ],
  ]);
});

it('tells in a tail what was added since it was last seen, and that once', () => {
  const seen = new Map<string, number>();
  const denial = {
    window: new Date(WINDOW).toISOString(),
    model: 'fast',
    dimension: 'x',
    calls: 2,
  };
  expect(news(seen, [denial])).toEqual([expect.stringMatching(/fast {2}x {2}\+2$/)]);
  expect(news(seen, [denial])).toEqual([]);
  expect(news(seen, [{ ...denial, calls: 5 }])).toEqual([expect.stringMatching(/\+3$/)]);
});
