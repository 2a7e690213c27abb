import * as z from 'zod';
import { segment } from '../admin-client.ts';
import { CliError } from '../cli-error.ts';
import {
  type Command,
  type Input,
  neededText,
  onlyPositional,
  textOf,
  type Values,
} from '../command.ts';
import { localTime, readMoment } from '../format.ts';
import { readScope, scopeText } from '../scope.ts';
import { fields, table } from '../table.ts';

/** Names of the policy file, as the API has them. */
const DIMENSIONS: Readonly<Record<string, string>> = {
  requests_per_second: 'requestsPerSecond',
  requests_per_minute: 'requestsPerMinute',
  input_tokens_per_minute: 'inputTokensPerMinute',
  output_tokens_per_minute: 'outputTokensPerMinute',
  tokens_per_minute: 'tokensPerMinute',
  concurrent_requests: 'concurrentRequests',
  daily_quota: 'tokensPerDay',
  monthly_quota: 'tokensPerMonth',
  daily_budget: 'nanoUsdPerDay',
  monthly_budget: 'nanoUsdPerMonth',
};

const scopeSchema = z.looseObject({
  kind: z.string(),
  tenantId: z.string(),
  teamId: z.string().optional(),
  projectId: z.string().optional(),
  tier: z.string().optional(),
  feature: z.string().optional(),
});
const personSchema = z.looseObject({ id: z.string() });
const overrideSchema = z.looseObject({
  id: z.string(),
  kind: z.string(),
  scope: scopeSchema,
  to: scopeSchema.optional(),
  dimension: z.string(),
  amount: z.number(),
  amountUsd: z.string().optional(),
  fromMs: z.number().optional(),
  untilMs: z.number().optional(),
  reason: z.string(),
  state: z.string(),
  requestedBy: personSchema,
  decidedBy: personSchema.optional(),
  expiresAtMs: z.number(),
});
type Override = z.infer<typeof overrideSchema>;
const answerSchema = z.looseObject({ override: overrideSchema });

const scopeOptions = {
  tier: { value: 'tier', about: "of a team: its limit of one tier's calls" },
  feature: { value: 'name', about: 'of a team: its limit of one feature' },
  limit: { value: 'name', about: 'as in the policy file (monthly_budget)' },
  reason: { value: 'why', about: 'for who decides, and for the audit log' },
};

export const overrideRequest: Command = {
  name: 'override request',
  takes: '<tenant[/team[/project]]>',
  about:
    'Asks for more: until a moment, or without one for this day or month. A second person approves.',
  options: {
    add: { value: 'amount', about: "how much more: '$500', 10M" },
    until: { value: 'when', about: '8h, or a moment such as 2026-12-24T06:00:00+01:00' },
    ...scopeOptions,
  },
  run(input) {
    const { values, terminal } = input;
    const until = textOf(values, 'until');
    return ask(input, 'POST /overrides', {
      amount: neededText(values, 'add'),
      ...(until === undefined
        ? { kind: 'allocation' }
        : { kind: 'raise', untilMs: readMoment(until, terminal.nowMs()) }),
    });
  },
};

export const budgetReset: Command = {
  name: 'budget reset',
  takes: '<tenant[/team[/project]]>',
  about: "Asks for this period's budget anew. A second person approves.",
  options: scopeOptions,
  run: (input) => ask(input, 'POST /budgets/reset', {}),
};

export const budgetTransfer: Command = {
  name: 'budget transfer',
  takes: '<from: tenant/team[/project]>',
  about:
    "Asks for a part of this period's budget to go to another scope. A second person approves.",
  options: {
    to: { value: 'scope', about: 'who gets it: tenant/team[/project]' },
    amount: { value: 'amount', about: "how much: '$500', 10M" },
    ...scopeOptions,
  },
  run: (input) =>
    ask(input, 'POST /budgets/transfer', {
      to: wireScope(neededText(input.values, 'to'), {}),
      amount: neededText(input.values, 'amount'),
    }),
};

async function ask(input: Input, operation: string, wish: object) {
  const { values, admin } = input;
  const scope = wireScope(onlyPositional(input, 'whose limit'), values);
  const limit = textOf(values, 'limit') ?? 'monthly_budget';
  const dimension = DIMENSIONS[limit];
  if (dimension === undefined)
    throw new CliError(`"${limit}" is none of ${Object.keys(DIMENSIONS).join(', ')}.`);
  const { body } = await admin().call(operation, answerSchema, {
    body: { ...wish, scope, dimension, reason: neededText(values, 'reason') },
  });
  const { id, expiresAtMs } = body.override;
  const next = `Somebody else approves it until ${localTime(expiresAtMs)}: tollgate override approve ${id}`;
  return { json: body, text: `${overrideText(body.override)}\n\n${next}` };
}

function wireScope(text: string, values: Values): object {
  const { tenantId, teamId, projectId } = readScope(text);
  const tier = textOf(values, 'tier');
  const feature = textOf(values, 'feature');
  if (tier === undefined && feature === undefined) {
    if (projectId !== undefined) return { kind: 'project', tenantId, projectId };
    return teamId === undefined ? { kind: 'tenant', tenantId } : { kind: 'team', tenantId, teamId };
  }
  if (
    teamId === undefined ||
    projectId !== undefined ||
    (tier !== undefined && feature !== undefined)
  )
    throw new CliError('--tier or --feature is for a team: tenant/team.');
  return tier === undefined
    ? { kind: 'feature', tenantId, teamId, feature }
    : { kind: 'team-tier', tenantId, teamId, tier };
}

export const overrideApprove = decision('approve', 'Approves a request, as a second person.');
export const overrideReject = decision('reject', 'Rejects a request, as a second person.');
export const overrideWithdraw = decision('withdraw', "Takes one's own request back.");

function decision(verb: 'approve' | 'reject' | 'withdraw', about: string): Command {
  return {
    name: `override ${verb}`,
    takes: '<id>',
    about,
    options: { reason: { value: 'why', about: 'for the audit log' } },
    async run(input) {
      const id = onlyPositional(input, 'one override (ovr_...)');
      const reason = textOf(input.values, 'reason');
      const operation = `POST /overrides/${segment(id)}/${verb}`;
      const { body } = await input.admin().call(operation, answerSchema, {
        body: reason === undefined ? {} : { reason },
      });
      return { json: body, text: overrideText(body.override) };
    },
  };
}

export const overrideList: Command = {
  name: 'override list',
  about: 'Overrides of the last 90 days, and what became of them.',
  options: { state: { value: 'state', about: 'only requested, effective, ended ...' } },
  async run({ values, admin }) {
    const list = z.looseObject({ overrides: z.array(overrideSchema) });
    const { body } = await admin().call('GET /overrides', list, {
      query: { state: textOf(values, 'state') },
    });
    const text = table<Override>(
      [
        { title: 'override', cell: ({ id }) => id },
        { title: 'scope', cell: ({ scope }) => shownScope(scope) },
        { title: 'limit', cell: ({ dimension }) => limitName(dimension) },
        { title: 'what', align: 'right', cell: what },
        { title: 'state', cell: ({ state }) => state },
        { title: 'asked by', cell: ({ requestedBy }) => requestedBy.id },
        { title: 'decided by', cell: ({ decidedBy }) => decidedBy?.id ?? '-' },
        { title: 'until', cell: ({ untilMs }) => localTime(untilMs) },
      ],
      body.overrides,
      'There are no overrides.',
    );
    return { json: body, text };
  },
};

function overrideText(override: Override): string {
  const { id, scope, to, dimension, state, reason, requestedBy, decidedBy, fromMs, untilMs } =
    override;
  return fields([
    ['override', id],
    ['scope', shownScope(scope)],
    ['to', to && shownScope(to)],
    ['limit', limitName(dimension)],
    ['what', what(override)],
    ['state', state],
    ['reason', reason],
    ['asked by', requestedBy.id],
    ['decided by', decidedBy?.id],
    ['from', fromMs === undefined ? undefined : localTime(fromMs)],
    ['until', untilMs === undefined ? undefined : localTime(untilMs)],
  ]);
}

function what({ kind, amount, amountUsd }: Override): string {
  const text = amountUsd === undefined ? amount.toLocaleString('en') : `$${amountUsd}`;
  if (kind === 'reset') return 'reset';
  return kind === 'transfer' ? text : `+${text}`;
}

function limitName(dimension: string): string {
  return Object.entries(DIMENSIONS).find(([, wire]) => wire === dimension)?.[0] ?? dimension;
}

function shownScope(scope: z.infer<typeof scopeSchema>): string {
  const part = scope.tier ?? scope.feature;
  if (scope.kind === 'project') return `${scope.tenantId}/*/${scope.projectId}`;
  return part === undefined ? scopeText(scope) : `${scopeText(scope)} (${part})`;
}
