/**
 * Puts overrides in force: a new version of the policy that differs from the last in nothing but raises, then the
 * accounts of the scopes. Doing it again changes nothing, and finishes what a run before could not.
 */
import { policySnapshotSchema } from '../../core/catalog/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import type { Override } from '../../core/governance/overrides.ts';
import { planOfScope, withOverrides } from '../../core/governance/raises-of.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import { planVersionOf } from '../../core/limits/schedule.ts';
import { accountKey, type Scope } from '../../core/tenancy/scopes.ts';
import type { Register } from '../adapters/register.ts';
import type { CatalogWriter } from './catalog-writer.ts';

/** Another policy may win the race a few times; more means that somebody applies policies in a loop. */
const MAX_ATTEMPTS = 8;

export interface EnforcePorts {
  readonly writer: CatalogWriter;
  readonly overrides: Pick<Register<Override>, 'all'>;
  readonly clock: Clock;
}

/** The version that the overrides are in. Throws where other policies keep coming first, or none was ever applied. */
export async function enforceOverrides({
  writer,
  overrides,
  clock,
}: EnforcePorts): Promise<number> {
  for (let tries = 0; tries < MAX_ATTEMPTS; tries += 1) {
    const current = await writer.currentPolicy();
    if (current === undefined) throw new Error('no policy has been applied');
    const snapshot = policySnapshotSchema.parse(current.snapshot);
    // Read after the pointer: whoever takes over the next version has read what is approved by then.
    const known = await overrides.all();
    const nowMs = clock.nowMs();
    const raised = withOverrides({ snapshot, accounts: plansOf(snapshot, known) }, known, nowMs);
    const isSame = raised.accounts.every(({ scope, limits }) => {
      const before = planOfScope(snapshot, scope);
      return before !== undefined && planVersionOf(before) === planVersionOf(limits);
    });
    const version = isSame
      ? current.version
      : await putInForce(writer, { ...current, snapshot: raised.snapshot });
    if (version === undefined) continue;
    const at = momentOf(nowMs, calendarDay(nowMs, snapshot.timeZone));
    for (const { scope, limits } of raised.accounts)
      await writer.setUpAccount(scope, { limits, policyVersion: version }, at);
    return version;
  }
  throw new Error('other policies kept coming first');
}

/** Undefined where another version came first. */
async function putInForce(
  writer: CatalogWriter,
  policy: {
    version: number;
    source: string;
    snapshot: ReturnType<typeof policySnapshotSchema.parse>;
  },
): Promise<number | undefined> {
  let version = policy.version + 1;
  // A number is taken when an earlier writer died before its switch; the next one is free.
  while (!(await writer.storePolicy({ ...policy.snapshot, version }, policy.source))) version += 1;
  if (!(await writer.switchPolicy(policy.version, version))) return undefined;
  await writer.copyLatest({ ...policy.snapshot, version });
  return version;
}

/** Each scope once that an override names, with the limits that the policy has for it. */
function plansOf(snapshot: Parameters<typeof planOfScope>[0], overrides: readonly Override[]) {
  const scopes = new Map<string, Scope>(
    overrides
      .flatMap(({ scope, to }) => (to === undefined ? [scope] : [scope, to]))
      .map((scope) => [accountKey(scope), scope]),
  );
  return [...scopes.values()].flatMap((scope) => {
    const limits = planOfScope(snapshot, scope);
    return limits === undefined ? [] : [{ scope, limits }];
  });
}
