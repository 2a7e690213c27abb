import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ALERT_KINDS } from '../../../core/alerts/alert.ts';

const runbook = readFileSync(new URL('../../../docs/runbook.md', import.meta.url), 'utf8');
const alerts = readFileSync(new URL('../../../docs/alerts.md', import.meta.url), 'utf8');

it.each(ALERT_KINDS)('the runbook has one section for %s, and the page of alerts a row', (kind) => {
  expect(runbook.split(new RegExp(`^## ${kind}\\n\\*\\*Means\\.\\*\\*`, 'm'))).toHaveLength(2);
  expect(alerts).toContain(`\`${kind}\``);
});
