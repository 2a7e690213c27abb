/**
 * A decision about an override, and what follows from an approval. A transfer has two steps: the lender's limit is lowered
 * first, and only when what it has granted is within it does the other scope get the amount, so that no budget exists
 * twice at any moment (ADR 0022).
 */
import type { PolicySnapshot } from '../../core/catalog/snapshot.ts';
import type { AuditRecord } from '../../core/governance/audit.ts';
import { type Decision, decide, type Override } from '../../core/governance/overrides.ts';
import { mayDo } from '../../core/governance/permissions.ts';
import { deciderOf } from '../../core/governance/principals.ts';
import { done, forbidden, notFound, refused } from './admin-route.ts';
import {
  type OverridePorts,
  overrideRecord,
  policyOf,
  shownOverride,
  targetsOf,
} from './override-ports.ts';
import type { AdminAnswer, AdminRequest } from './route.ts';

type DecisionRequest = AdminRequest<
  { readonly id: string },
  unknown,
  { readonly reason?: string | undefined }
>;

export async function decideOverride(
  ports: OverridePorts,
  request: DecisionRequest,
  action: Decision['action'],
): Promise<AdminAnswer> {
  const { overrides, audit, writer } = ports;
  const { id } = request.params;
  const policy = await policyOf(writer);
  const found = await overrides.find(id);
  const isSeen =
    found !== undefined &&
    targetsOf(found, policy).some((at) => mayDo(request.principal, 'overrides:read', at));
  if (!isSeen) return notFound(`override ${id}`);
  // Whoever approved asks again where an answer was lost: what was begun is finished, and nothing is decided twice.
  if (action === 'approve' && found.decidedBy?.id === request.principal.id && isGranted(found))
    return putInForce(ports, request, { override: found, policy });
  const decision = await decisionOf(ports, request, { action, found, policy });
  // What a reset clears is what was spent when it was approved.
  const cleared =
    found.kind === 'reset' && action === 'approve' ? await ports.spent(found, policy) : undefined;
  const result = await overrides.change<Decided>(id, (current = found) => {
    const step = decide(current, decision);
    if (step.kind !== 'done') return { kind: 'keep', result: step };
    const after = cleared === undefined ? step.override : { ...step.override, amount: cleared };
    const record = overrideRecord(request, {
      operation: `${action}Override`,
      target: decision.targets[0] ?? {},
      before: current,
      after,
      atMs: decision.nowMs,
    });
    const items = [audit.item(record)];
    return { kind: 'write', document: after, items, result: { kind: 'done', after, record } };
  });
  if (result.kind === 'forbidden') return forbidden(result.reason);
  if (result.kind === 'conflict') return refused(409, 'not_decidable', result.reason);
  await audit.ship(result.record);
  if (action !== 'approve') return done(200, { override: shownOverride(result.after) });
  return putInForce(ports, request, { override: result.after, policy });
}

function isGranted({ state }: Override): boolean {
  return state === 'approved' || state === 'effective';
}

type Decided =
  | { readonly kind: 'forbidden'; readonly reason: string }
  | { readonly kind: 'conflict'; readonly reason: string }
  | { readonly kind: 'done'; readonly after: Override; readonly record: AuditRecord };

async function decisionOf(
  { principals, clock }: OverridePorts,
  { principal, body }: DecisionRequest,
  {
    action,
    found,
    policy,
  }: { action: Decision['action']; found: Override; policy: PolicySnapshot },
): Promise<Decision> {
  const nowMs = clock.nowMs();
  const [by, requester] = await Promise.all([
    principals.find(principal.id),
    principals.find(found.requestedBy.id),
  ]);
  return {
    action,
    by: by === undefined ? { ...principal, keyIssuers: [] } : deciderOf(by),
    requester: requester === undefined ? undefined : deciderOf(requester),
    targets: targetsOf(found, policy),
    nowMs,
    timeZone: policy.timeZone,
    why: body.reason,
  };
}

async function putInForce(
  ports: OverridePorts,
  request: DecisionRequest,
  { override, policy }: { override: Override; policy: PolicySnapshot },
): Promise<AdminAnswer> {
  const policyVersion = await ports.enforce();
  if (override.kind !== 'transfer' || override.state === 'effective')
    return done(200, { override: shownOverride(override), policyVersion });
  // Nothing is granted above the lowered limit from here on, so what is within it now stays within it.
  const state = (await ports.isWithinLimit(override, policy)) ? 'effective' : 'failed';
  const after = { ...override, state } as const;
  const record = overrideRecord(request, {
    operation: 'approveOverride',
    target: targetsOf(override, policy)[0] ?? {},
    before: override,
    after,
    atMs: ports.clock.nowMs(),
  });
  const items = [ports.audit.item(record)];
  const isWritten = await ports.overrides.change<boolean>(override.id, (current) =>
    current?.state === 'approved'
      ? { kind: 'write', document: after, items, result: true }
      : { kind: 'keep', result: false },
  );
  if (isWritten) await ports.audit.ship(record);
  const version = await ports.enforce();
  return state === 'effective'
    ? done(200, { override: shownOverride(after), policyVersion: version })
    : refused(
        409,
        'not_enough_left',
        'The lender has less left than the transfer; it has all of it back.',
      );
}
