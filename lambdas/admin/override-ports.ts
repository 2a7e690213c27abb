/** What the operations of overrides share: what they need, what they show, what they leave in the audit log. */
import { type PolicySnapshot, policySnapshotSchema } from '../../core/catalog/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import { type AuditRecord, auditRecord } from '../../core/governance/audit.ts';
import { targetOfScope } from '../../core/governance/override-request.ts';
import type { Override } from '../../core/governance/overrides.ts';
import type { Target } from '../../core/governance/principal.ts';
import type { PrincipalRecord } from '../../core/governance/principals.ts';
import { DIMENSIONS } from '../../core/limits/dimensions.ts';
import { formatUsd, nanoUsd } from '../../core/money.ts';
import type { AuditLog } from '../adapters/audit-log.ts';
import type { Register } from '../adapters/register.ts';
import type { CatalogWriter } from './catalog-writer.ts';
import type { AdminRequest } from './route.ts';

export interface OverridePorts {
  readonly overrides: Register<Override>;
  readonly principals: Pick<Register<PrincipalRecord>, 'find'>;
  readonly audit: AuditLog;
  readonly writer: Pick<CatalogWriter, 'currentPolicy'>;
  readonly clock: Clock;
  /** What the scope has spent, settled, of the dimension's period. */
  readonly spent: (override: Override, policy: PolicySnapshot) => Promise<number>;
  /** Whether what the scope has granted is within its limit as it stands in its accounts. */
  readonly isWithinLimit: (override: Override, policy: PolicySnapshot) => Promise<boolean>;
  /** Puts what the register holds in force; gives the policy's version. */
  readonly enforce: () => Promise<number>;
}

interface OverrideStep {
  readonly operation: string;
  readonly target: Target;
  readonly before?: Override;
  readonly after: Override;
  readonly atMs: number;
}

export function overrideRecord(
  request: AdminRequest<unknown, unknown, unknown>,
  { operation, target, before, after, atMs }: OverrideStep,
): AuditRecord {
  return auditRecord(
    { ...request, reason: request.reason ?? after.decision ?? after.reason },
    { operation, object: `overrides/${after.id}`, target, before, after },
    { atMs },
  );
}

/** As the API shows it: money as people write it, beside the exact amount. */
export function shownOverride(override: Override) {
  const isMoney = DIMENSIONS[override.dimension].counts === 'nanoUsd';
  return { ...override, ...(isMoney ? { amountUsd: formatUsd(nanoUsd(override.amount)) } : {}) };
}

export function targetsOf({ scope: from, to }: Override, policy: PolicySnapshot): Target[] {
  return [from, ...(to === undefined ? [] : [to])].map((each) => targetOfScope(each, policy));
}

/** Before the first policy nothing has limits, so nothing can be overridden. */
export async function policyOf(
  writer: Pick<CatalogWriter, 'currentPolicy'>,
): Promise<PolicySnapshot> {
  const current = await writer.currentPolicy();
  return current === undefined ? NO_POLICY : policySnapshotSchema.parse(current.snapshot);
}

const NO_POLICY: PolicySnapshot = {
  version: 0,
  timeZone: 'UTC',
  providers: {},
  models: {},
  teams: {},
  projects: [],
};
