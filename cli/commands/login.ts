import * as z from 'zod';
import { createAdminClient } from '../admin-client.ts';
import type { Command } from '../command.ts';
import { scopeText } from '../scope.ts';
import { fields } from '../table.ts';

const whoamiSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  role: z.string(),
  tenantId: z.string().optional(),
  teamId: z.string().optional(),
});

export const login: Command = {
  name: 'login',
  about:
    'Reads an admin key from standard input, tries it, and keeps it for --url under --profile.',
  async run({ terminal, loginUrl, keep }) {
    const url = loginUrl();
    const adminKey = (await terminal.readSecret('Admin key: ')).trim();
    const connection = { url, adminKey };
    // A key that does not work is not kept.
    await createAdminClient(connection).call('GET /whoami', whoamiSchema);
    const file = keep(connection);
    return {
      json: { url: connection.url, file },
      text: `Logged in to ${connection.url}. The key is in ${file}, for you alone to read.`,
    };
  },
};

export const whoami: Command = {
  name: 'whoami',
  about: 'Whose key is in use, and what it may do.',
  async run({ admin }) {
    const client = admin();
    const { body } = await client.call('GET /whoami', whoamiSchema);
    const text = fields([
      ['principal', body.id],
      ['name', body.name],
      ['role', body.role],
      ['of', scopeText(body)],
      ['gateway', client.url],
    ]);
    return { json: body, text };
  },
};

export const whoamiRotate: Command = {
  name: 'whoami rotate',
  about: "Replaces one's own key by one that nobody else has seen, and keeps it as the login.",
  async run({ admin, keep }) {
    const answer = z.looseObject({ key: z.string(), principal: z.looseObject({ id: z.string() }) });
    const client = admin();
    const { body } = await client.call('POST /whoami/rotate', answer, { body: {} });
    const file = keep({ url: client.url, adminKey: body.key });
    // The key goes to its file and nowhere else: not even to the terminal.
    return {
      json: { principal: body.principal, file },
      text: `${body.principal.id} has a new key, which is in ${file} alone. The one before is over.`,
    };
  },
};
