import * as z from 'zod';
import type { AdminClient } from '../admin-client.ts';
import { CliError } from '../cli-error.ts';
import { type Command, isOn, onlyPositional, type Terminal, textOf } from '../command.ts';
import { changeSchema, planOf, planText, readPolicy, withErrorsOf } from './plan.ts';

export const apply: Command = {
  name: 'apply',
  takes: '<policy.yaml>',
  about: 'Shows the plan, asks, and applies the file: all of it, or nothing.',
  options: {
    yes: { about: 'do not ask' },
    reason: { value: 'why', about: 'for the audit log' },
  },
  async run(input) {
    const { values, terminal } = input;
    const file = onlyPositional(input, 'the policy file');
    const yaml = readPolicy(file);
    const admin = input.admin();
    const made = await planOf(admin, file, yaml);
    if (made.changes.length === 0) return { json: made, text: planText(made, terminal.paint) };
    terminal.print(planText(made, terminal.paint));
    if (!isOn(values, 'yes') && !(await isAgreed(terminal)))
      return { json: made, text: 'Nothing was changed.', exitCode: 1 };
    // Tied to the version that the plan was made for: what was shown is what is applied.
    const { status, body } = await withErrorsOf(file, () =>
      admin.call('PUT /policy', changedSchema, {
        yaml,
        ifMatch: made.version,
        reason: textOf(values, 'reason'),
      }),
    );
    if (status === 202) await finishRollout(admin, terminal);
    return {
      json: body,
      text: `Version ${body.version} is in force, in all of its ${body.accounts} accounts.`,
    };
  },
};

export const changedSchema = z.looseObject({
  version: z.int(),
  accounts: z.int(),
  changes: z.array(changeSchema),
});

function isAgreed({ isInteractive, confirm }: Terminal): Promise<boolean> {
  if (isInteractive) return confirm('Apply this?');
  throw new CliError('Nobody is here to ask. Look at the plan, then apply with --yes.');
}

const rolloutSchema = z.looseObject({ rollout: z.object({ done: z.int(), total: z.int() }) });
/** Of 20 s each. */
const MAX_STEPS = 180;

/** A large policy is in force before all accounts are written. */
export async function finishRollout(admin: AdminClient, { note }: Terminal): Promise<void> {
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const { status, body } = await admin.call('POST /policy/rollout', rolloutSchema);
    if (status !== 202) return;
    note(`${body.rollout.done} of ${body.rollout.total} accounts are written ...`);
  }
  throw new CliError(
    'The accounts are still being written; "tollgate policy show" tells when they are.',
  );
}
