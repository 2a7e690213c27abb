/** What a tenant or a team did lately, from the rollups: as fresh as the usage monitor is, which is seconds. */
import * as z from 'zod';
import { readActivity } from '../../core/rollups/activity.ts';
import { adminRoute, done } from './admin-route.ts';
import type { DenialPorts } from './denial-routes.ts';
import type { AdminRoute } from './route.ts';

const id = z.string().min(1).max(64);
const quantiles = z.object({ p50: z.number(), p95: z.number() }).nullable();
const figures = z.looseObject({
  requests: z.number(),
  input_tokens: z.number(),
  output_tokens: z.number(),
  cached_input_tokens: z.number(),
  usd: z.string(),
  nano_usd: z.number(),
  denied: z.number(),
  denied_by_dimension: z.record(z.string(), z.number()),
  errors: z.number(),
  fallbacks: z.number(),
  cache_hits: z.number(),
  latency_ms: quantiles,
  ttft_ms: quantiles,
});
const parts = z.object({
  data: z.array(figures.extend({ name: z.string() })),
  left_out: z.number(),
});

export function activityRoutes({ rollups, clock }: DenialPorts): readonly AdminRoute[] {
  return [
    adminRoute({
      operation: 'showActivity',
      method: 'GET',
      path: '/activity',
      summary: 'What a tenant or a team did in the last hour or day, by window, feature and model.',
      params: z.strictObject({}),
      query: z.strictObject({
        tenantId: id,
        teamId: id.optional(),
        last: z.enum(['1h', '24h']).default('24h'),
      }),
      body: z.unknown(),
      answer: z.object({
        last: z.string(),
        from: z.string(),
        window_seconds: z.number(),
        total: figures,
        windows: z.array(figures.extend({ start: z.string() })),
        features: parts,
        models: parts,
      }),
      permission: 'usage:read',
      target: ({ query: { tenantId, teamId } }) => ({
        tenantId,
        ...(teamId === undefined ? {} : { teamId }),
      }),
      async handle({ query: { tenantId, teamId, last } }) {
        const subject =
          teamId === undefined
            ? ({ kind: 'tenant', tenantId } as const)
            : ({ kind: 'team', tenantId, teamId } as const);
        return done(200, await readActivity(rollups, { subject, last, nowMs: clock.nowMs() }));
      },
    }),
  ];
}
