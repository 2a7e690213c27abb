import * as z from 'zod';
import { type Command, isOn, textOf } from '../command.ts';
import { inline, localTime } from '../format.ts';
import { table } from '../table.ts';

const text = z.string().nullable();
const recordSchema = z.looseObject({
  id: z.string(),
  changed_at: z.string(),
  principal_id: z.string(),
  operation: z.string(),
  object: z.string(),
  before: text,
  after: text,
  reason: text,
});
type Record = z.infer<typeof recordSchema>;
const answerSchema = z.looseObject({
  records: z.array(recordSchema),
  recordsSince: z.string(),
  isComplete: z.boolean(),
  nextTo: z.string().nullable(),
});

export const audit: Command = {
  name: 'audit',
  about: 'Who changed what, newest first, of the last 30 days; Athena has all of it.',
  options: {
    object: { value: 'path', about: 'of this, and of what is below it: tenants/acme, keys/vk_...' },
    principal: { value: 'id', about: 'by this one' },
    tenant: { value: 'tenant', about: 'of this one' },
    from: { value: 'moment', about: 'such as 2026-11-20T00:00:00Z' },
    to: { value: 'moment', about: 'before this one' },
    limit: { value: 'number', about: 'how many (100, at most 500)' },
    changes: { about: 'also what it was before and is after' },
  },
  async run({ values, admin }) {
    const { body } = await admin().call('GET /audit', answerSchema, {
      query: {
        object: textOf(values, 'object'),
        principal: textOf(values, 'principal'),
        tenantId: textOf(values, 'tenant'),
        from: textOf(values, 'from'),
        to: textOf(values, 'to'),
        limit: textOf(values, 'limit'),
      },
    });
    const changed = [
      { title: 'before', cell: ({ before }: Record) => inline(before ?? '-') },
      { title: 'after', cell: ({ after }: Record) => inline(after ?? '-') },
    ];
    const list = table<Record>(
      [
        { title: 'when', cell: ({ changed_at }) => localTime(changed_at) },
        { title: 'who', cell: ({ principal_id }) => principal_id },
        { title: 'did', cell: ({ operation }) => operation },
        { title: 'to', cell: ({ object }) => object },
        { title: 'why', cell: ({ reason }) => reason ?? '-' },
        ...(isOn(values, 'changes') ? changed : []),
      ],
      body.records,
      'Nothing was changed.',
    );
    const older = body.nextTo === null ? [] : [`Older ones: --to ${body.nextTo}`];
    const gone = body.isComplete
      ? []
      : [`Before ${localTime(body.recordsSince)}: the named query audit-trail in Athena.`];
    return { json: body, text: [list, ...older, ...gone].join('\n') };
  },
};
