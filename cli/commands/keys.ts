import * as z from 'zod';
import { isWellFormedAdminKey, isWellFormedKey } from '../../core/tenancy/virtual-key.ts';
import { segment } from '../admin-client.ts';
import { CliError } from '../cli-error.ts';
import {
  type Command,
  listOf,
  neededText,
  onlyPositional,
  textOf,
  type Values,
} from '../command.ts';
import { localTime, readMoment } from '../format.ts';
import { KEY_FILE, secretText } from '../key-file.ts';
import { allPages } from '../pages.ts';
import { addressOf, readScope, scopeText } from '../scope.ts';
import { fields, table } from '../table.ts';

const keySchema = z.looseObject({
  keyId: z.string(),
  tenantId: z.string(),
  teamId: z.string(),
  projectId: z.string(),
  owner: z.string(),
  features: z.array(z.string()),
  tiers: z.array(z.string()).optional(),
  models: z.array(z.string()).optional(),
  status: z.string(),
  createdBy: z.string().optional(),
  createdAtMs: z.number(),
  expiresAtMs: z.number().nullish(),
  lastUsedAtMs: z.number().nullable(),
  isDeclared: z.boolean().optional(),
});
type Key = z.infer<typeof keySchema>;
const pageSchema = z.looseObject({ keys: z.array(keySchema), next: z.string().nullable() });
const newSecretSchema = z.looseObject({ keyId: z.string(), key: z.string() });
const reason = { value: 'why', about: 'for the audit log' };

export const keysCreate: Command = {
  name: 'keys create',
  takes: '<tenant/team/project>',
  about: 'Makes a key. Its secret is printed once, on a line of its own.',
  options: {
    owner: { value: 'who', about: 'who answers for it' },
    feature: { value: 'name', about: 'serves this and no other', isRepeatable: true },
    tier: { value: 'tier', about: 'may call this tier, of what its team may', isRepeatable: true },
    model: {
      value: 'alias',
      about: 'may call this model, of what its team may',
      isRepeatable: true,
    },
    expires: { value: 'when', about: '90d, 8h, or a moment such as 2027-06-30T22:00:00Z' },
    ...KEY_FILE,
    reason,
  },
  async run(input) {
    const { values, admin, terminal } = input;
    const scope = readScope(onlyPositional(input, 'the project'));
    if (scope.projectId === undefined)
      throw new CliError('A key belongs to a project: tenant/team/project.');
    const expires = textOf(values, 'expires');
    const { body } = await admin().call('POST /keys', newSecretSchema, {
      reason: textOf(values, 'reason'),
      body: {
        ...scope,
        owner: neededText(values, 'owner'),
        features: listOf(values, 'feature'),
        tiers: listOf(values, 'tier'),
        models: listOf(values, 'model'),
        ...(expires === undefined ? {} : { expiresAtMs: readMoment(expires, terminal.nowMs()) }),
      },
    });
    const made = `Key ${body.keyId} of ${scopeText(scope)} is made.`;
    return { json: body, text: `${made} ${secretText(values, body.key)}` };
  },
};

export const keysList: Command = {
  name: 'keys list',
  takes: '[tenant[/team[/project]]]',
  about: 'Keys, with their status in force and their last use.',
  options: { owner: { value: 'who', about: 'only theirs' } },
  async run({ positionals, values, admin }) {
    const query = { ...filterOf(positionals), owner: textOf(values, 'owner'), limit: '200' };
    const client = admin();
    const keys = await allPages(async (after) => {
      const { body } = await client.call('GET /keys', pageSchema, { query: { ...query, after } });
      return { items: body.keys, next: body.next };
    });
    return { json: { keys }, text: keysTable(keys, 'There are no keys here.') };
  },
};

export const keysUnused: Command = {
  name: 'keys unused',
  takes: '[tenant[/team[/project]]]',
  about: 'Keys that work and that nobody has used for some days.',
  options: { days: { value: 'number', about: 'how many (30)' } },
  async run({ positionals, values, admin }) {
    const query = { ...filterOf(positionals), days: textOf(values, 'days') };
    const client = admin();
    const keys = await allPages(async (after) => {
      const call = { query: { ...query, after } };
      const { body } = await client.call('GET /keys/unused', pageSchema, call);
      return { items: body.keys, next: body.next };
    });
    return { json: { keys }, text: keysTable(keys, 'Every key has been used.') };
  },
};

function filterOf(positionals: readonly string[]): Record<string, string | undefined> {
  const [scope, ...more] = positionals;
  if (more.length > 0) throw new CliError('Name one scope: tenant/team/project.');
  return scope === undefined ? {} : { ...readScope(scope) };
}

function keysTable(keys: readonly Key[], nothing: string): string {
  return table<Key>(
    [
      { title: 'key', cell: ({ keyId }) => keyId },
      { title: 'project', cell: scopeText },
      { title: 'owner', cell: ({ owner }) => owner },
      { title: 'status', cell: ({ status }) => status },
      { title: 'last used', cell: ({ lastUsedAtMs }) => localTime(lastUsedAtMs) },
      { title: 'expires', cell: ({ expiresAtMs }) => localTime(expiresAtMs) },
    ],
    keys,
    nothing,
  );
}

export const keysShow: Command = {
  name: 'keys show',
  takes: '<key id>',
  about: 'One key: whose it is, what it may do, its status and last use.',
  async run(input) {
    const keyId = onlyPositional(input, 'one key (vk_...)');
    const { body } = await input.admin().call(`GET /keys/${segment(keyId)}`, keySchema);
    const text = fields([
      ['key', body.keyId],
      ['project', scopeText(body)],
      ['owner', body.owner],
      ['status', body.status],
      ['features', body.features.join(', ') || 'any'],
      ['tiers', body.tiers?.join(', ') ?? "its team's"],
      ['models', body.models?.join(', ') ?? "its team's"],
      ['made by', body.isDeclared === true ? 'the policy file' : body.createdBy],
      ['made', localTime(body.createdAtMs)],
      ['expires', localTime(body.expiresAtMs)],
      ['last used', localTime(body.lastUsedAtMs)],
    ]);
    return { json: body, text };
  },
};

export const keysRotate: Command = {
  name: 'keys rotate',
  takes: '<key id>',
  about: 'Gives a key a new secret; the one before works until the overlap is over.',
  options: { overlap: { value: 'time', about: 'from 1m to 720h (24h)' }, ...KEY_FILE, reason },
  async run(input) {
    const { values } = input;
    const keyId = onlyPositional(input, 'one key (vk_...)');
    const answer = newSecretSchema.extend({ previousSecretUntilMs: z.number() });
    const overlap = textOf(values, 'overlap');
    const { body } = await input.admin().call(`POST /keys/${segment(keyId)}/rotate`, answer, {
      reason: textOf(values, 'reason'),
      body: overlap === undefined ? {} : { overlap },
    });
    const until = localTime(body.previousSecretUntilMs);
    return {
      json: body,
      text: `The secret before works until ${until}. ${secretText(values, body.key)}`,
    };
  },
};

const statusSchema = z.looseObject({ status: z.string(), keys: z.number().optional() });

export const keysRevoke = statusCommand('revoke', 'Ends a key for good, from its next request on.');
export const keysSuspend = statusCommand('suspend', 'Stops a key, from its next request on.');
export const keysResume = statusCommand('resume', 'Lets a suspended key go on.');

function statusCommand(verb: 'revoke' | 'suspend' | 'resume', about: string): Command {
  return {
    name: `keys ${verb}`,
    takes: '<key id>',
    about,
    options: { reason },
    async run(input) {
      const path = `/keys/${segment(onlyPositional(input, 'one key (vk_...)'))}`;
      const operation = verb === 'revoke' ? `DELETE ${path}` : `POST ${path}/${verb}`;
      const { body } = await input.admin().call(operation, statusSchema, why(input.values));
      return { json: body, text: `${input.positionals[0]} is ${body.status}.` };
    },
  };
}

export const teamsSuspend = groupCommand('team', 'suspend', 'Stops all keys of a team.');
export const teamsResume = groupCommand('team', 'resume', 'Lets all keys of a team go on.');
export const tenantsSuspend = groupCommand('tenant', 'suspend', 'Stops all keys of a tenant.');
export const tenantsResume = groupCommand('tenant', 'resume', 'Lets all keys of a tenant go on.');

function groupCommand(kind: 'team' | 'tenant', verb: 'suspend' | 'resume', about: string): Command {
  return {
    name: `${kind}s ${verb}`,
    takes: kind === 'team' ? '<tenant/team>' : '<tenant>',
    about: `${about.slice(0, -1)}, from their next requests on.`,
    options: { reason },
    async run(input) {
      const scope = readScope(onlyPositional(input, `one ${kind}`));
      const isOfKind =
        scope.projectId === undefined && (scope.teamId !== undefined) === (kind === 'team');
      if (!isOfKind) throw new CliError(`Name one ${kind}, and only that.`);
      const operation = `POST ${addressOf(scope)}/${verb}`;
      const { body } = await input.admin().call(operation, statusSchema, why(input.values));
      return { json: body, text: `${scopeText(scope)} is ${body.status}: ${body.keys} keys.` };
    },
  };
}

function why(values: Values) {
  return { reason: textOf(values, 'reason') };
}

export const keysCheck: Command = {
  name: 'keys check',
  about: 'Whether what is on standard input is a key at all, by its checksum; asks nobody.',
  async run({ terminal }) {
    const text = (await terminal.readSecret('Key: ')).trim();
    const kind = isWellFormedKey(text)
      ? 'virtual key'
      : isWellFormedAdminKey(text)
        ? 'admin key'
        : undefined;
    return {
      json: { isWellFormed: kind !== undefined, ...(kind === undefined ? {} : { kind }) },
      text:
        kind === undefined
          ? 'Not a key of a Tollgate: mistyped, or cut off.'
          : `A well-formed ${kind}.`,
      exitCode: kind === undefined ? 1 : 0,
    };
  },
};
