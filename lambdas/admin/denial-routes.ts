/** Calls that limits refused, by model and dimension, from the rollups: as fresh as the usage monitor is, which is seconds. */
import * as z from 'zod';
import type { Clock } from '../../core/clock.ts';
import { deniedByDimension } from '../../core/rollups/amounts.ts';
import type { RollupReader } from '../../core/rollups/rollup-reader.ts';
import { nameOfMember } from '../../core/rollups/subjects.ts';
import { windowStart } from '../../core/rollups/windows.ts';
import { adminRoute, done } from './admin-route.ts';
import type { AdminRoute } from './route.ts';

export interface DenialPorts {
  readonly rollups: RollupReader;
  readonly clock: Clock;
}

const MINUTE_MS = 60_000;
const id = z.string().min(1).max(64);

export function denialRoutes({ rollups, clock }: DenialPorts): readonly AdminRoute[] {
  return [
    adminRoute({
      operation: 'listDenials',
      method: 'GET',
      path: '/denials',
      summary: 'Calls of a team that limits refused, in windows of five minutes.',
      params: z.strictObject({}),
      query: z.strictObject({
        tenantId: id,
        teamId: id,
        /** How far back, at most a day. */
        minutes: z.coerce.number().int().min(5).max(1_440).default(30),
      }),
      body: z.unknown(),
      answer: z.object({
        denials: z.array(
          z.object({
            window: z.string(),
            model: z.string(),
            dimension: z.string(),
            calls: z.number(),
          }),
        ),
      }),
      permission: 'usage:read',
      target: ({ query: { tenantId, teamId } }) => ({ tenantId, teamId }),
      async handle({ query: { tenantId, teamId, minutes } }) {
        const toMs = clock.nowMs();
        const stored = await rollups.readCollection(
          { kind: 'team', tenantId, teamId },
          {
            granularity: 'fiveMinutes',
            fromMs: windowStart('fiveMinutes', toMs - minutes * MINUTE_MS),
            toMs,
          },
        );
        const denials = stored.flatMap(({ member, startMs, rollup }) => {
          const of = nameOfMember(member);
          if (of?.kind !== 'model') return [];
          return deniedByDimension(rollup).map(([dimension, calls]) => ({
            window: new Date(startMs).toISOString(),
            model: of.name,
            dimension,
            calls,
          }));
        });
        return done(200, { denials });
      },
    }),
  ];
}
