/**
 * Who gets an alert and when: the channels of its team, of its tenant where it names no team, or the policy's own where it
 * names neither, each as far as it wants the kind and the severity; and the platform team's always.
 */
import type { AlertChannel, PolicySnapshot } from '../catalog/snapshot.ts';
import type { EpochMs } from '../clock.ts';
import { isOpen } from '../limits/schedule.ts';
import { teamKey } from '../tenancy/scopes.ts';
import type { Alert } from './alert.ts';
import { RANK } from './finding.ts';

/** The one of the stage's config, which no policy can leave out. */
export const PLATFORM_CHANNEL = 'platform-topic';

export interface NamedChannel extends AlertChannel {
  readonly name: string;
}

export function channelsOf(
  policy: PolicySnapshot,
  alert: Pick<Alert, 'tenant' | 'team' | 'kind' | 'severity'>,
): readonly NamedChannel[] {
  const { tenant, team } = alert;
  const ofTeam =
    tenant === undefined || team === undefined ? undefined : policy.teams[teamKey(tenant, team)];
  const ofTenant = tenant === undefined ? undefined : policy.tenants?.[tenant];
  const names = new Set((tenant === undefined ? policy : (ofTeam ?? ofTenant))?.notify);
  return [...names]
    .flatMap((name) => channelNamed(policy, name))
    .filter((channel) => wants(channel, alert));
}

function wants(
  { kinds, atLeast = 'info' }: AlertChannel,
  { kind, severity }: Pick<Alert, 'kind' | 'severity'>,
): boolean {
  return (kinds?.includes(kind) ?? true) && RANK[severity] >= RANK[atLeast];
}

/** None where the policy has it no more. */
export function channelNamed(policy: PolicySnapshot, name: string): NamedChannel[] {
  const channel = policy.alertChannels?.[name];
  return channel === undefined ? [] : [{ name, ...channel }];
}

/** What can wait waits for the end of quiet hours; what is critical never does. */
export function isQuiet(
  { quietHours }: Pick<AlertChannel, 'quietHours'>,
  { severity }: Pick<Alert, 'severity'>,
  nowMs: EpochMs,
): boolean {
  return severity !== 'critical' && quietHours !== undefined && isOpen(quietHours, nowMs);
}

/** So many messages to one channel in five minutes; those above it come together. */
export const STORM_ABOVE = 10;
export const STORM_WINDOW_MS = 300_000;
