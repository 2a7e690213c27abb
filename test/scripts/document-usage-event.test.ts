import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { usageEventColumns } from '../../core/usage/event.ts';
import { projectRoot } from '../../lib/project-root.ts';
import { PAGE, usageEventPage } from '../../scripts/document-usage-event.ts';

it('the page of the usage event is the one that its schema writes', () => {
  expect(readFileSync(join(projectRoot, PAGE), 'utf8')).toBe(usageEventPage());
});

it('has a line for each column, in the order of the table', () => {
  const lines = usageEventPage().matchAll(/^\| `(\w+)` \| (\w+) \|/gm);
  expect([...lines].map(([, name, type]) => ({ name, type }))).toEqual(usageEventColumns);
});
