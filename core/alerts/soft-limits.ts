/**
 * Soft limits that usage events say were crossed: how an event carries them, whose account has the mark, and until when
 * one is told. Sends nothing.
 */
import * as z from 'zod/mini';
import { DIMENSION_NAMES } from '../limits/dimensions.ts';
import { isOfPeriod, type SoftCrossing, softMark } from '../limits/soft.ts';
import { type Scope, scopeLabel } from '../tenancy/scopes.ts';
import type { UsageEvent } from '../usage/event.ts';
import { FOREVER } from './mark.ts';

const crossingSchema = z.object({
  scope: z.enum(['key', 'project', 'team', 'tenant']),
  dimension: z.enum(DIMENSION_NAMES),
  period: z.number(),
  limit: z.number(),
  used: z.number(),
});

/** A crossing by the event of the call that saw it. */
export interface ToldCrossing extends SoftCrossing {
  readonly scope: Scope;
  readonly mark: string;
  readonly event: UsageEvent;
}

/** Throws where the column is not what the request path writes. */
export function crossingsOf(event: UsageEvent): ToldCrossing[] {
  const { soft_limits_crossed: text } = event;
  if (text === null) return [];
  return z
    .array(crossingSchema)
    .parse(JSON.parse(text))
    .map(({ scope: kind, ...crossing }) => ({
      ...crossing,
      event,
      scope: scopeIn(event, kind),
      mark: softMark(crossing.dimension, crossing.period),
    }));
}

function scopeIn(event: UsageEvent, kind: z.infer<typeof crossingSchema>['scope']): Scope {
  const { tenant_id: tenantId, team_id: teamId, project_id: projectId } = event;
  switch (kind) {
    case 'key':
      return { kind, keyId: event.virtual_key_id };
    case 'project':
      return { kind, tenantId, projectId };
    case 'team':
      return { kind, tenantId, teamId };
    case 'tenant':
      return { kind, tenantId };
  }
}

/** Limits that come back every second would tell every second. */
const AT_MOST_EVERY_SECONDS = 3_600;

/** Once a period; where there is none, at most once an hour. */
export function toldUntil({ dimension }: SoftCrossing, nowSeconds: number): number {
  return isOfPeriod(dimension) ? FOREVER : nowSeconds + AT_MOST_EVERY_SECONDS;
}

/** Receivers tell repetitions by this. */
export function deduplicationId(crossing: ToldCrossing, nowSeconds: number): string {
  const { scope, mark, event, dimension } = crossing;
  const hour = isOfPeriod(dimension) ? [] : [Math.floor(nowSeconds / AT_MOST_EVERY_SECONDS)];
  return [event.tenant_id, scopeLabel(scope), mark, ...hour].join('/');
}
