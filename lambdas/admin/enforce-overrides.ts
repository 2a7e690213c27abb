/**
 * Puts overrides in force: a new version of the policy that differs from the last in nothing but raises, then the
 * accounts of the scopes. Doing it again changes nothing, and finishes what a run before could not.
 */
import type { PolicySnapshot } from '../../core/catalog/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import type { Override } from '../../core/governance/overrides.ts';
import { planOfScope, withOverrides } from '../../core/governance/raises-of.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import { planVersionOf } from '../../core/limits/schedule.ts';
import { accountKey, type Scope } from '../../core/tenancy/scopes.ts';
import type { Register } from '../adapters/register.ts';
import type { CatalogWriter } from './catalog-writer.ts';
import type { Pointer } from './policy-store.ts';

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
    const pointer = await writer.policies.pointer();
    if (pointer === undefined) throw new Error('no policy has been applied');
    const snapshot = await writer.policies.snapshot(pointer.version);
    // Read after the pointer: whoever takes over the next version has read what is approved by then.
    const known = await overrides.all();
    const nowMs = clock.nowMs();
    const raised = withOverrides({ snapshot, accounts: plansOf(snapshot, known) }, known, nowMs);
    const isSame = raised.accounts.every(({ scope, limits }) => {
      const before = planOfScope(snapshot, scope);
      return before !== undefined && planVersionOf(before) === planVersionOf(limits);
    });
    const version = isSame ? pointer.version : await putInForce(writer, pointer, raised.snapshot);
    if (version === undefined) continue;
    const at = momentOf(nowMs, calendarDay(nowMs, snapshot.timeZone));
    for (const { scope, limits } of raised.accounts)
      await writer.setUpAccount(scope, { limits, policyVersion: version }, at);
    return version;
  }
  throw new Error('other policies kept coming first');
}

/** The same tree under a new version, since the raises are none of it. Undefined where another version came first. */
async function putInForce(
  { policies }: CatalogWriter,
  pointer: Pointer,
  snapshot: PolicySnapshot,
): Promise<number | undefined> {
  const document = await policies.version(pointer.version);
  let version = pointer.version + 1;
  // A number is taken when an earlier writer died before its switch; the next one is free.
  while (!(await policies.store({ ...document, version }, { ...snapshot, version }))) version += 1;
  const to = {
    version,
    previous: pointer.version,
    // What the version before has not brought to its accounts yet is this one's to bring.
    pending: pointer.pending.length === 0 ? [] : [...pointer.pending, pointer.version],
    done: 0,
  };
  if (!(await policies.switchTo(pointer.version, to, []))) return undefined;
  await policies.copyLatest(version);
  return version;
}

/** Each scope once that an override names, with the limits that the policy has for it. */
function plansOf(snapshot: PolicySnapshot, overrides: readonly Override[]) {
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
