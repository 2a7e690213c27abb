/** Writes docs/alert-events.md from the schemas of what the alert bus carries, and from the comments in them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import {
  booksEventSchema,
  budgetEventSchema,
  incidentEvent,
  incidentEventSchema,
  softLimitEventSchema,
} from '../core/alerts/event-schema.ts';
import { DETECTORS } from '../core/alerts/thresholds.ts';
import { ALERT_DETAIL_TYPE, ALERT_SOURCE } from '../core/names.ts';
import { commentsIn } from './source-comments.ts';

const ROOT = join(import.meta.dirname, '..');
const SOURCE = 'core/alerts/event-schema.ts';
export const PAGE = 'docs/alert-events.md';

export function alertEventsPage(): string {
  const { incident, ...others } = SECTIONS;
  return `# Events of the alert bus

Written by \`node scripts/document-alert-events.ts\` from \`${SOURCE}\`; change it there.

Every event has the source \`${ALERT_SOURCE}\` and one of the detail types below; the tables are its detail. Fields are added and never
renamed; a line without words goes on from the one above. Deliveries may repeat. Which kinds there are and what they look at: [alerts.md](alerts.md).

${incident()}
${Object.values(others)
  .map((section) => section())
  .join('\n')}`;
}

/** A detail type without its section does not compile. */
const SECTIONS: Readonly<Record<keyof typeof ALERT_DETAIL_TYPE, () => string>> = {
  incident: incidentSection,
  budget: () => section('budget', table(budgetEventSchema, 'budgetEventSchema = z.object({')),
  softLimit: () =>
    section('softLimit', table(softLimitEventSchema, 'softLimitEventSchema = z.object({')),
  booksDiffer: () =>
    section('booksDiffer', table(booksEventSchema, 'booksEventSchema = z.object({')),
};

function section(type: keyof typeof ALERT_DETAIL_TYPE, text: string): string {
  return `## \`${ALERT_DETAIL_TYPE[type]}\`\n\n${text}\n`;
}

const detailSchema = z.object({
  properties: z.record(z.string(), z.looseObject({})),
  required: z.array(z.string()),
});
const propertySchema = z.union([
  z.object({ enum: z.array(z.string()) }).transform((one) => one.enum.join(', ')),
  z.object({ type: z.string() }).transform(({ type }) => type),
]);

function detailOf(schema: z.core.$ZodType) {
  return detailSchema.parse(z.toJSONSchema(schema));
}

function table(schema: z.core.$ZodType, marker: string, without: readonly string[] = []): string {
  const says = commentsIn(readFileSync(join(ROOT, SOURCE), 'utf8'), marker);
  const { properties, required } = detailOf(schema);
  const rows = Object.entries(properties)
    .filter(([name]) => !without.includes(name))
    .map(([name, property]) => {
      const mark = required.includes(name) ? '' : 'may be absent';
      return `| \`${name}\` | ${propertySchema.parse(property)} | ${mark} | ${says.get(name) ?? ''} |`;
    });
  return `| field | type | | says |\n|---|---|---|---|\n${rows.join('\n')}`;
}

function incidentSection(): string {
  const [any] = incidentEventSchema.def.options;
  const kinds = incidentEventSchema.def.options.flatMap(({ shape: { kind, numbers } }) => {
    const fields = Object.keys(detailOf(numbers).properties).map((field) => `\`${field}\``);
    return kind.def.values.map(
      (name) => `| \`${name}\` | ${DETECTORS[name].severity} | ${fields.join(', ')} |`,
    );
  });
  return section(
    'incident',
    `${table(any, 'const common = {', ['kind', 'numbers'])}

| \`kind\` | opens as | \`numbers\` |
|---|---|---|
${kinds.join('\n')}

For example:

\`\`\`json
${JSON.stringify(incidentEvent(EXAMPLE), undefined, 2)}
\`\`\``,
  );
}

const EXAMPLE: Parameters<typeof incidentEvent>[0] = {
  kind: 'feature-share',
  target: 'team/acme/search',
  labels: { tenant: 'acme', team: 'search', feature: 'answers' },
  owner: 'search-lead@example.com',
  isOpen: true,
  severity: 'warning',
  numbers: { percent: 71.4, tokens: 912_000 },
  summary:
    'the feature takes more than 71.4 % of all tokens of its tenant for two windows of five minutes',
  sinceMs: Date.UTC(2026, 10, 20, 10, 9),
  seenMs: Date.UTC(2026, 10, 20, 10, 9),
  transitions: 3,
  transition: 'opened',
};

if (import.meta.main) writeFileSync(join(ROOT, PAGE), alertEventsPage());
