import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { formatPolicyError, type PolicyError } from '../../core/policy/policy-error.ts';
import type { AdminClient } from '../admin-client.ts';
import { CliError } from '../cli-error.ts';
import { type Command, isOn, onlyPositional } from '../command.ts';
import { changeLines, type Paint, type ShownChange } from '../format.ts';
import { plain } from '../table.ts';

export const plan: Command = {
  name: 'plan',
  takes: '<policy.yaml>',
  about: 'What applying the file would change, and what would follow from it.',
  options: { 'detailed-exitcode': { about: 'end with 2 where there is something to apply' } },
  async run(input) {
    const file = onlyPositional(input, 'the policy file');
    const made = await planOf(input.admin(), file, readPolicy(file));
    const isDetailed = isOn(input.values, 'detailed-exitcode');
    return {
      json: made,
      text: planText(made, input.terminal.paint),
      exitCode: isDetailed && made.changes.length > 0 ? 2 : 0,
    };
  },
};

export const changeSchema = z.looseObject({
  kind: z.enum(['add', 'change', 'remove']),
  path: z.string(),
});
const planSchema = z.looseObject({
  version: z.int(),
  changes: z.array(changeSchema),
  drift: z.array(changeSchema),
  consequences: z.looseObject({
    accounts: z.int(),
    keysRevoked: z.array(z.string()),
    keysOrphaned: z.array(z.string()),
    limitsBelowUse: z.array(
      z.looseObject({ scope: z.string(), dimension: z.string(), limit: z.int(), used: z.int() }),
    ),
  }),
});
export type Plan = z.infer<typeof planSchema>;

export function readPolicy(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliError(`${file} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

export async function planOf(admin: AdminClient, file: string, yaml: string): Promise<Plan> {
  return withErrorsOf(file, async () => {
    const { body } = await admin.call('POST /policy/plan', planSchema, { yaml });
    return body;
  });
}

/** All errors of a file at once, each where an editor finds it. */
export async function withErrorsOf<T>(file: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const errors =
      error instanceof CliError ? policyErrors.safeParse(error.details).data?.errors : undefined;
    if (!(error instanceof CliError) || errors === undefined) throw error;
    const lines = errors.map((each) => `  ${plain(formatPolicyError(named(each, file)))}`);
    const count = `${errors.length} ${errors.length === 1 ? 'error' : 'errors'}`;
    throw new CliError(`${count} in ${file}; nothing was changed.\n${lines.join('\n')}`, {
      code: error.code,
      details: { errors },
    });
  }
}

const policyErrors = z.object({
  errors: z.array(
    z.object({
      file: z.string().optional(),
      line: z.number().optional(),
      column: z.number().optional(),
      path: z.string(),
      expected: z.string(),
      found: z.string(),
      suggestion: z.string().optional(),
    }),
  ),
});

/** The gateway does not know what the file is called here. */
function named(
  {
    path,
    expected,
    found,
    line,
    column,
    suggestion,
  }: z.infer<typeof policyErrors>['errors'][number],
  file: string,
): PolicyError {
  return {
    path,
    expected,
    found,
    ...(line === undefined || column === undefined ? {} : { file, line, column }),
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

export function planText({ version, changes, drift, consequences }: Plan, paint: Paint): string {
  const parts = [
    changes.length === 0
      ? `Nothing to change: version ${version} is what the file says.`
      : changeLines(changes, paint),
    ...driftLines(drift),
    ...consequenceLines(consequences, paint),
  ];
  return parts.join('\n');
}

function driftLines(drift: readonly ShownChange[]): string[] {
  if (drift.length === 0) return [];
  const paths = drift.map(({ path }) => plain(path)).join(', ');
  return [`Changed since the last file, by other ways: ${paths}.`];
}

function consequenceLines(
  { accounts, keysRevoked, keysOrphaned, limitsBelowUse }: Plan['consequences'],
  paint: Paint,
): string[] {
  const lines = accounts === 0 ? [] : [`Accounts to write: ${accounts}.`];
  const warn = (text: string) => lines.push(paint.yellow(plain(text)));
  if (keysRevoked.length > 0) warn(`Keys that would be revoked: ${keysRevoked.join(', ')}.`);
  if (keysOrphaned.length > 0)
    warn(`Keys that would lose their project, and stop: ${keysOrphaned.join(', ')}.`);
  for (const { scope, dimension, limit, used } of limitsBelowUse)
    warn(`${scope} has used ${used} of ${dimension} already, above the new limit ${limit}.`);
  return lines;
}
