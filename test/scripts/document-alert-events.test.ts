import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DETECTOR_KINDS } from '../../core/alerts/thresholds.ts';
import { ALERT_DETAIL_TYPE } from '../../core/names.ts';
import { projectRoot } from '../../lib/project-root.ts';
import { alertEventsPage, PAGE } from '../../scripts/document-alert-events.ts';

const page = readFileSync(join(projectRoot, PAGE), 'utf8');

it('the page of alert events is the one that their schemas write', () => {
  expect(page).toBe(alertEventsPage());
});

it('has a section for each detail type, and the numbers of each kind of incident', () => {
  const sections = [...page.matchAll(/^## `(.+)`$/gm)].map(([, type]) => type);
  expect(sections.toSorted()).toEqual(Object.values(ALERT_DETAIL_TYPE).toSorted());
  for (const kind of DETECTOR_KINDS)
    expect(page).toMatch(new RegExp(`^\\| \`${kind}\` \\| \\w+ \\| \`\\w+\``, 'm'));
});

it('says something of the fields that a target is written against', () => {
  for (const field of ['severity', 'owner', 'since', 'command', 'deduplicationId'])
    expect(page).toMatch(new RegExp(`^\\| \`${field}\` \\| .+ \\|  \\| \\w.+ \\|$`, 'm'));
});
