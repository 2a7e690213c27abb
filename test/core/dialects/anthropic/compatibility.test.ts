import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { FROM_ANTHROPIC, TO_ANTHROPIC } from '../../../../core/dialects/anthropic/compatibility.ts';
import { UNSUPPORTED } from '../../../../core/dialects/anthropic/unsupported.ts';

const PAGE = readFileSync(new URL('../../../../docs/anthropic.md', import.meta.url), 'utf8');

it.each([...FROM_ANTHROPIC, ...TO_ANTHROPIC])('the page says what becomes of $field', (row) => {
  expect(PAGE).toContain(`| \`${row.field}\` | ${row.outcome} | ${row.reason} |`);
});

it.each(UNSUPPORTED)('the page says why %s is refused', (name, reason) => {
  expect(PAGE).toContain(`| \`${name}\` | ${reason} |`);
});
