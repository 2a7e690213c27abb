/**
 * Writes docs/usage-event.md from the schema: names, types and versions from its columns, what they say from
 * the comments above them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AMOUNT_COLUMNS, usageEventColumns, usageEventSchema } from '../core/usage/event.ts';
import { USAGE_SCHEMA_VERSION } from '../core/usage/event-values.ts';
import { commentsIn } from './source-comments.ts';

const ROOT = join(import.meta.dirname, '..');
const SOURCE = 'core/usage/event.ts';
export const PAGE = 'docs/usage-event.md';

export function usageEventPage(): string {
  const says = commentsIn(
    readFileSync(join(ROOT, SOURCE), 'utf8'),
    'usageEventSchema = z.object({',
  );
  const amounts: ReadonlySet<string> = new Set(AMOUNT_COLUMNS);
  const rows = usageEventColumns.map(({ name, type }) => {
    const marks = [isNullable(name) ? 'null' : '', amounts.has(name) ? 'sum' : ''];
    return `| \`${name}\` | ${type} | ${marks.filter(Boolean).join(', ')} | ${says.get(name) ?? ''} |`;
  });
  return `# The usage event

Written by \`node scripts/document-usage-event.ts\` from \`${SOURCE}\`; change it there.

One event says what happened to one request, in absolute values. It is the row of the table \`usage\` (one row a
delivery, partitioned by arrival: \`dt\`, \`hour\`) and, with the columns of a booking before it, of the table \`ledger\`.
This is version ${USAGE_SCHEMA_VERSION}. Columns are added and never renamed; a row from before a column has null there.

*null*: may be null, which means unknown or not applicable, never 0. *sum*: adds up over calls; a correction in the
ledger takes it back. A line without words goes on from the one above.

| column | type | | says |
|---|---|---|---|
${rows.join('\n')}
`;
}

function isNullable(name: string): boolean {
  const schema = Object.entries(usageEventSchema.shape).find(([column]) => column === name)?.[1];
  return schema?.safeParse(null).success === true;
}

if (import.meta.main) writeFileSync(join(ROOT, PAGE), usageEventPage());
