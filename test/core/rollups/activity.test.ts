import { describe, expect, it } from 'vitest';
import { type ActivitySpan, readActivity } from '../../../core/rollups/activity.ts';
import type { UsageEvent } from '../../../core/usage/event.ts';
import { rollupsOf } from '../../support/memory-rollups.ts';
import { AT_MS, usageEvent } from './usage-events.ts';

const HOUR_MS = 3_600_000;
const TEAM = { kind: 'team', tenantId: 'acme', teamId: 'search' } as const;

function activityOf(events: readonly Partial<UsageEvent>[], last: ActivitySpan = '24h') {
  const rollups = rollupsOf(events.map(usageEvent));
  return readActivity(rollups, { subject: TEAM, last, nowMs: AT_MS });
}

describe('what a team did lately', () => {
  it('is told by the hour for a day: calls, tokens, money, refusals, errors, times', async () => {
    const answer = await activityOf([
      { cached_input_tokens: 40, cache_result: 'hit' },
      { duration_ms: 90_000, fallback_from: 'other' },
      {
        outcome: 'denied',
        denied_dimension: 'requestsPerMinute',
        input_tokens: null,
        output_tokens: null,
        cost_nano_usd: 0,
      },
      { outcome: 'error', status: 502, output_tokens: 0, event_time_ms: AT_MS - 3 * HOUR_MS },
    ]);
    expect(answer).toMatchObject({
      last: '24h',
      window_seconds: 3600,
      from: '2026-11-19T11:00:00.000Z',
      total: { requests: 4, errors: 1 },
      windows: [
        { start: '2026-11-20T07:00:00.000Z', requests: 1, errors: 1, latency_ms: null },
        {
          start: '2026-11-20T10:00:00.000Z',
          requests: 3,
          input_tokens: 240,
          output_tokens: 100,
          cached_input_tokens: 40,
          usd: '0.000002',
          nano_usd: 2_000,
          denied: 1,
          denied_by_dimension: { requestsPerMinute: 1 },
          errors: 0,
          fallbacks: 1,
          cache_hits: 1,
        },
      ],
    });
    const { latency_ms: latency, ttft_ms: ttft } = answer.windows[1] ?? {};
    // Within their buckets: 800 to 1,600 ms, 51 to 102 s, 100 to 200 ms.
    expect(latency?.p50).toBeGreaterThan(800);
    expect(latency?.p50).toBeLessThanOrEqual(1_600);
    expect(latency?.p95).toBeGreaterThan(51_200);
    expect(ttft?.p95).toBeLessThanOrEqual(200);
  });

  it('is told by five minutes for an hour, and nothing of before', async () => {
    const at = (minutes: number) => ({ event_time_ms: AT_MS - minutes * 60_000 });
    const { windows, window_seconds } = await activityOf([at(0), at(1), at(50), at(61)], '1h');
    expect(window_seconds).toBe(300);
    expect(windows.map(({ start, requests }) => [start.slice(11, 16), requests])).toEqual([
      ['09:10', 1],
      ['10:00', 2],
    ]);
  });

  it('names the twenty features with the most tokens, and counts the others', async () => {
    const events = Array.from({ length: 33 }, (_, index) => ({
      feature: `f${index}`,
      input_tokens: index,
    }));
    const { features, models } = await activityOf(events);
    expect(features).toMatchObject({ left_out: 13 });
    expect(features).toHaveProperty('data.length', 20);
    expect(features).toHaveProperty('data.0.name', 'f32');
    expect(models).toMatchObject({ data: [{ name: 'small', requests: 33 }], left_out: 0 });
  });

  it('says nothing of another team of the same tenant, nor of another tenant', async () => {
    const { total, features } = await activityOf([
      { team_id: 'support', feature: 'secret' },
      { tenant_id: 'globex', feature: 'secret' },
    ]);
    expect(total.requests).toBe(0);
    expect(features).toEqual({ data: [], left_out: 0 });
  });

  it('can be told though absurd costs add up to more than is exact', async () => {
    const events = Array.from({ length: 120 }, () => ({ cost_nano_usd: 9_000_000_000_000_000 }));
    expect((await activityOf(events)).total).toMatchObject({ requests: 120, usd: '9000000' });
  });
});
