import * as z from 'zod';
import type { Command } from '../command.ts';
import { inline } from '../format.ts';
import { changeSchema } from './plan.ts';

const policySchema = z.looseObject({
  version: z.int(),
  source: z.string(),
  fileVersion: z.int(),
  drift: z.array(changeSchema),
  isRolledOut: z.boolean(),
});

export const policyShow: Command = {
  name: 'policy show',
  about: 'The policy file in force, and what was changed by other ways since.',
  async run({ admin }) {
    const { body } = await admin().call('GET /policy', policySchema);
    const { version, fileVersion, drift, isRolledOut, source } = body;
    const notes = [
      `Version ${version}; the file is version ${fileVersion}${isRolledOut ? '' : '; not yet in all accounts'}.`,
      ...drift.map(({ path, after }) => `Since then: ${path}  ${inline(after ?? 'removed')}`),
    ];
    return {
      json: body,
      text: `${notes.map((note) => `# ${note}`).join('\n')}\n${source.trimEnd()}`,
    };
  },
};
