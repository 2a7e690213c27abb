import * as z from 'zod';
import { segment } from '../admin-client.ts';
import { type Command, neededText, onlyPositional, textOf } from '../command.ts';
import { localTime, readMoment } from '../format.ts';
import { KEY_FILE, secretText } from '../key-file.ts';
import { allPages } from '../pages.ts';
import { readScope, scopeText } from '../scope.ts';
import { table } from '../table.ts';

const principalSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  role: z.string(),
  tenantId: z.string().optional(),
  teamId: z.string().optional(),
  createdBy: z.string(),
  expiresAtMs: z.number().optional(),
  status: z.string(),
});
type Principal = z.infer<typeof principalSchema>;
const withKeySchema = z.looseObject({ principal: principalSchema, key: z.string() });
const reason = { value: 'why', about: 'for the audit log' };

export const principalsCreate: Command = {
  name: 'principals create',
  takes: '<id>',
  about: 'Makes somebody who may govern. The admin key is printed once, on a line of its own.',
  options: {
    role: { value: 'role', about: 'platform-admin, tenant-admin, team-lead, finance or auditor' },
    scope: { value: 'tenant[/team]', about: 'where the role holds' },
    name: { value: 'name', about: 'as the audit log shows it (the id)' },
    expires: { value: 'when', about: '90d, 8h, or a moment' },
    ...KEY_FILE,
    reason,
  },
  async run(input) {
    const { values, admin, terminal } = input;
    const id = onlyPositional(input, 'one principal');
    const scope = textOf(values, 'scope');
    const expires = textOf(values, 'expires');
    const { body } = await admin().call('POST /principals', withKeySchema, {
      reason: textOf(values, 'reason'),
      body: {
        id,
        name: textOf(values, 'name') ?? id,
        role: neededText(values, 'role'),
        ...(scope === undefined ? {} : readScope(scope)),
        ...(expires === undefined ? {} : { expiresAtMs: readMoment(expires, terminal.nowMs()) }),
      },
    });
    return { json: body, text: newKeyText(body.principal, secretText(values, body.key)) };
  },
};

export const principalsList: Command = {
  name: 'principals list',
  takes: '',
  about: 'Who may govern what.',
  options: { tenant: { value: 'tenant', about: 'only of this one' } },
  async run({ values, admin }) {
    const page = z.looseObject({
      principals: z.array(principalSchema),
      cursor: z.string().nullable(),
    });
    const client = admin();
    const principals = await allPages(async (cursor) => {
      const query = { tenantId: textOf(values, 'tenant'), cursor };
      const { body } = await client.call('GET /principals', page, { query });
      return { items: body.principals, next: body.cursor };
    });
    const text = table<Principal>(
      [
        { title: 'principal', cell: ({ id }) => id },
        { title: 'name', cell: ({ name }) => name },
        { title: 'role', cell: ({ role }) => role },
        { title: 'of', cell: scopeText },
        { title: 'status', cell: ({ status }) => status },
        { title: 'made by', cell: ({ createdBy }) => createdBy },
        { title: 'expires', cell: ({ expiresAtMs }) => localTime(expiresAtMs) },
      ],
      principals,
      'There is nobody but the root.',
    );
    return { json: { principals }, text };
  },
};

export const principalsRotate: Command = {
  name: 'principals rotate',
  takes: '<id>',
  about: 'Gives somebody a new admin key; the one before ends at once.',
  options: { ...KEY_FILE, reason },
  async run(input) {
    const { values } = input;
    const id = onlyPositional(input, 'one principal');
    const operation = `POST /principals/${segment(id)}/rotate`;
    const { body } = await input.admin().call(operation, withKeySchema, {
      reason: textOf(input.values, 'reason'),
    });
    return { json: body, text: newKeyText(body.principal, secretText(values, body.key)) };
  },
};

export const principalsRevoke: Command = {
  name: 'principals revoke',
  takes: '<id>',
  about: 'Ends a principal: none of its keys opens anything from the next request on.',
  options: { reason },
  async run(input) {
    const id = onlyPositional(input, 'one principal');
    const operation = `DELETE /principals/${segment(id)}`;
    const { body } = await input.admin().call(operation, principalSchema, {
      reason: textOf(input.values, 'reason'),
    });
    return { json: body, text: `${body.id} is ${body.status}.` };
  },
};

function newKeyText({ id, role, ...scope }: Principal, secret: string): string {
  return `${id} is ${role} of ${scopeText(scope)}. ${secret}`;
}
