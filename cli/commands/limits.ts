import * as z from 'zod';
import { segment } from '../admin-client.ts';
import { CliError } from '../cli-error.ts';
import { type Command, type Input, textOf } from '../command.ts';
import { changeLines, inline } from '../format.ts';
import { addressOf, readScope } from '../scope.ts';
import { table } from '../table.ts';
import { changedSchema, finishRollout } from './apply.ts';

const tier = { value: 'tier', about: "of a team: its limits of one tier's calls" };

export const limitsShow: Command = {
  name: 'limits show',
  takes: '<tenant[/team[/project]]>',
  about: 'Limits of a tenant, a team or a project, as the policy has them.',
  options: { tier },
  async run(input) {
    const [scope, ...more] = input.positionals;
    if (scope === undefined || more.length > 0) throw new CliError('Name one scope.');
    const limits = z.record(z.string(), z.unknown());
    const { body } = await input.admin().call(`GET ${limitsAddress(input, scope)}`, limits);
    const text = table<readonly [string, unknown]>(
      [
        { title: 'limit', cell: ([name]) => name },
        { title: 'value', align: 'right', cell: ([, value]) => inline(value) },
      ],
      Object.entries(body).filter(([, value]) => typeof value !== 'object'),
      'No plain limits.',
    );
    const windows = z.array(z.unknown()).safeParse(body['schedules']).data ?? [];
    const schedules = windows.map((window) => `schedule  ${inline(window)}`);
    return { json: body, text: [text, ...schedules].join('\n') };
  },
};

export const limitsSet: Command = {
  name: 'limits set',
  takes: '<tenant[/team[/project]]> <limit=value>...',
  about: 'Changes some limits and leaves the others; an empty value removes one.',
  options: { tier, reason: { value: 'why', about: 'for the audit log' } },
  async run(input) {
    const [scope, ...settings] = input.positionals;
    if (scope === undefined || settings.length === 0)
      throw new CliError("Name a scope and what to set: acme/search 'monthly_budget=$2,500'.");
    const admin = input.admin();
    const { status, body } = await admin.call(
      `PATCH ${limitsAddress(input, scope)}`,
      changedSchema,
      {
        body: Object.fromEntries(settings.map(readSetting)),
        reason: textOf(input.values, 'reason'),
      },
    );
    if (status === 202) await finishRollout(admin, input.terminal);
    const changes = changeLines(body.changes, input.terminal.paint);
    return { json: body, text: `${changes}\nVersion ${body.version} is in force.` };
  },
};

function limitsAddress({ values }: Pick<Input, 'values'>, text: string): string {
  const scope = readScope(text);
  const ofTier = textOf(values, 'tier');
  if (ofTier === undefined) return `${addressOf(scope)}/limits`;
  if (scope.teamId === undefined || scope.projectId !== undefined)
    throw new CliError('--tier is for teams: tenant/team.');
  return `${addressOf(scope)}/tier-limits/${segment(ofTier)}`;
}

function readSetting(text: string): [string, string | null] {
  const at = text.indexOf('=');
  if (at < 1) throw new CliError(`"${text}" is not of the form limit=value.`);
  return [text.slice(0, at), text.slice(at + 1) || null];
}
