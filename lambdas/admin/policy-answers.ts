/** What a change of the policy answers, in one form for files, objects and whatever else changes it. */
import { showChange } from '../../core/governance/diff.ts';
import { formatPolicyError, type PolicyError } from '../../core/policy/policy-error.ts';
import { refused } from './admin-route.ts';
import type { ChangeResult } from './apply-policy.ts';
import type { AdminAnswer } from './route.ts';

type Refusal = Exclude<ChangeResult, { kind: 'changed' }>;

export function refusalAnswer(result: Refusal): AdminAnswer {
  switch (result.kind) {
    case 'invalid':
      return withErrors(400, {
        code: 'invalid_policy',
        message: 'The policy would have errors; the one in force stays.',
        errors: result.errors,
      });
    case 'referenced':
      return withErrors(409, {
        code: 'still_referenced',
        message: 'Others need what is to be removed; the policy in force stays.',
        errors: result.errors,
      });
    case 'missing':
      return refused(404, 'not_found', `There is no ${result.path}.`);
    case 'forbidden': {
      const message = `Your role may not change ${result.paths.join(', ')}.`;
      return { status: 403, body: { error: { code: 'forbidden', message, paths: result.paths } } };
    }
    case 'in-use': {
      const message = `Keys would be left without a project: revoke them first, or give them up by a file. ${result.keyIds.join(', ')}`;
      return {
        status: 409,
        body: { error: { code: 'keys_remain', message, keys: result.keyIds } },
      };
    }
    case 'outdated':
      return {
        ...refused(412, 'precondition_failed', `Version ${result.version} is in force by now.`),
        version: result.version,
      };
    case 'conflict':
      return refused(
        409,
        'policy_conflict',
        'Another policy was applied at the same time; the one in force stays.',
      );
    case 'rolling-out': {
      const { done, total } = result.rollout;
      const message = `Earlier changes are still on their way (${done} of ${total}); try again.`;
      return refused(409, 'rollout_pending', message);
    }
  }
}

/** 202 while accounts and keys are still being written; `POST /policy/rollout` goes on. */
export function changedAnswer({
  version,
  changes,
  rollout: { done, total },
}: Extract<ChangeResult, { kind: 'changed' }>): AdminAnswer {
  const body = {
    version,
    accounts: total,
    rollout: { done, total },
    changes: changes.map(showChange),
  };
  return { status: done < total ? 202 : 200, body, version };
}

interface Errors {
  readonly code: string;
  readonly message: string;
  readonly errors: readonly PolicyError[];
}

function withErrors(status: number, { code, message, errors }: Errors): AdminAnswer {
  const told = errors.map((error) => ({ ...error, text: formatPolicyError(error) }));
  return { status, body: { error: { code, message, errors: told } } };
}
