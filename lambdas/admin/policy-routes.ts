/** Operations on the policy as a whole: shown, planned, applied, and brought to the accounts. */
import * as z from 'zod';
import { showChange } from '../../core/governance/diff.ts';
import { parsePolicy } from '../../core/policy/parse-policy.ts';
import { adminRoute, notFound } from './admin-route.ts';
import { type ChangePorts, changePolicy, versionOf } from './apply-policy.ts';
import { driftOf, planPolicy } from './plan-policy.ts';
import { changedAnswer, refusalAnswer } from './policy-answers.ts';
import { rollOut } from './roll-out.ts';
import type { AdminAnswer, AdminRoute } from './route.ts';

/** What API Gateway leaves of its half minute. */
const ROLLOUT_MS = 20_000;
const YAML = 'application/yaml';

const nothing = z.strictObject({});
const file = z.string().meta({ description: 'The policy file, YAML or JSON.' });
const change = z.looseObject({ kind: z.enum(['add', 'change', 'remove']), path: z.string() });
const rolloutSchema = z.object({ done: z.int(), total: z.int() });
const planSchema = z.object({
  version: z.int(),
  changes: z.array(change),
  drift: z.array(change),
  consequences: z.object({
    accounts: z.int(),
    keysRevoked: z.array(z.string()),
    keysOrphaned: z.array(z.string()),
    limitsBelowUse: z.array(
      z.object({ scope: z.string(), dimension: z.string(), limit: z.int(), used: z.int() }),
    ),
    limitsNotCompared: z.int(),
  }),
});

export function policyRoutes(ports: ChangePorts): readonly AdminRoute[] {
  return [showPolicy(ports), putPolicy(ports), plan(ports), resumeRollout(ports)];
}

function showPolicy({ writer }: ChangePorts): AdminRoute {
  return adminRoute({
    operation: 'showPolicy',
    method: 'GET',
    path: '/policy',
    summary: 'The last policy file, and what was changed by other ways since.',
    params: nothing,
    query: nothing,
    body: z.unknown(),
    answer: z.object({
      version: z.int(),
      source: z.string(),
      fileVersion: z.int(),
      drift: z.array(change),
      isRolledOut: z.boolean(),
    }),
    permission: 'policy:read',
    target: () => ({}),
    async handle() {
      const pointer = await writer.policies.pointer();
      if (pointer === undefined) return notFound('policy yet');
      const current = await versionOf(writer, pointer.version);
      const { version, source, fileVersion } = current;
      const drift = (await driftOf(writer, current)).map(showChange);
      const isRolledOut = pointer.pending.length === 0;
      return { status: 200, body: { version, source, fileVersion, drift, isRolledOut }, version };
    },
  });
}

function putPolicy(ports: ChangePorts): AdminRoute {
  return adminRoute({
    operation: 'applyPolicy',
    method: 'PUT',
    path: '/policy',
    summary: 'Applies a policy file: all of it, or nothing.',
    params: nothing,
    query: z.strictObject({ dry_run: z.enum(['true', 'false']).default('false') }),
    body: file,
    text: YAML,
    answer: z.union([
      planSchema,
      z.object({
        version: z.int(),
        accounts: z.int(),
        rollout: rolloutSchema,
        changes: z.array(change),
      }),
    ]),
    permission: 'policy:write',
    target: () => ({}),
    async handle({ query, body: source, ...request }) {
      if (query.dry_run === 'true') return planned(ports, source);
      const parsed = parsePolicy(source, 'policy.yaml');
      if (parsed.kind === 'invalid') return refusalAnswer(parsed);
      const edit = { kind: 'file', tree: parsed.tree } as const;
      const operation = 'applyPolicy';
      const result = await changePolicy(ports, { ...request, edit, source, operation });
      return result.kind === 'changed' ? changedAnswer(result) : refusalAnswer(result);
    },
  });
}

function plan(ports: ChangePorts): AdminRoute {
  return adminRoute({
    operation: 'planPolicy',
    method: 'POST',
    path: '/policy/plan',
    summary: 'What a policy file would change, and what would follow from it.',
    params: nothing,
    query: nothing,
    body: file,
    text: YAML,
    answer: planSchema,
    permission: 'policy:read',
    target: () => ({}),
    handle: ({ body }) => planned(ports, body),
  });
}

async function planned(ports: ChangePorts, source: string): Promise<AdminAnswer> {
  const result = await planPolicy(ports, source);
  if (result.kind === 'invalid') return refusalAnswer(result);
  return { status: 200, body: result.body, version: result.version };
}

function resumeRollout(ports: ChangePorts): AdminRoute {
  return adminRoute({
    operation: 'resumeRollout',
    method: 'POST',
    path: '/policy/rollout',
    summary:
      'Goes on bringing the policy in force to accounts and keys, where that outlived its request.',
    params: nothing,
    query: nothing,
    body: z.unknown(),
    answer: z.object({ version: z.int(), rollout: rolloutSchema }),
    permission: 'policy:write',
    target: () => ({}),
    async handle() {
      const rollout = await rollOut(ports, ports.clock.nowMs() + ROLLOUT_MS);
      if (rollout === undefined) return notFound('policy yet');
      const { version, done, total } = rollout;
      const body = { version, rollout: { done, total } };
      return { status: done < total ? 202 : 200, body, version };
    },
  });
}
