import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Alert, readAlert } from '../../../core/alerts/alert.ts';
import type { IncidentEvent } from '../../../core/alerts/event-schema.ts';
import { alertMessage, digestMessage, stormMessage } from '../../../core/alerts/messages.ts';
import { DETECTOR_KINDS, type DetectorKind } from '../../../core/alerts/thresholds.ts';
import { ALERT_DETAIL_TYPE } from '../../../core/names.ts';

const share = { percent: 31.5, usualPercent: 4, requests: 900 };
const p95 = { p95Ms: 8200, usualP95Ms: 2100, calls: 400 };
const calls = { percent: 6, calls: 60, requests: 1000 };
const NUMBERS: { readonly [K in DetectorKind]: Extract<IncidentEvent, { kind: K }>['numbers'] } = {
  spike: { tokens: 900_000, usualTokens: 100_000, deviations: 6.5 },
  'denial-storm': { denied: 300, requests: 400, percent: 75 },
  'premium-switch': { percent: 80, usualPercent: 2, spentUsd: 5 },
  'expensive-model': { times: 4, usdPerMillionTokens: 12, usualUsdPerMillionTokens: 3 },
  'feature-share': { percent: 71.4, tokens: 912_000 },
  'share-doubled': { percent: 48, percentBefore: 20, tokens: 300_000 },
  'pool-headroom': { percent: 91, perMinute: 910, limitPerMinute: 1000 },
  'error-rate': { ...share, errors: 283 },
  latency: p95,
  'first-token': p95,
  'retry-rate': share,
  'estimated-usage': calls,
  'unpriced-usage': calls,
  'expired-holds': calls,
  'budget-projection': { percent: 130, spentUsd: 900, limitUsd: 1000 },
};

function detailOf(kind: DetectorKind) {
  return {
    kind,
    severity: 'warning',
    state: 'opened',
    tenant: 'acme',
    team: 'search',
    owner: 'search-lead@example.com',
    since: '2026-11-20T10:09:00.000Z',
    numbers: NUMBERS[kind],
    summary: 'something is the case',
    runbook: `docs/runbook.md#${kind}`,
    command: 'npm run athena -- spend-by-feature # look for acme',
    deduplicationId: `acme/${kind}/1`,
  };
}

const OTHERS: Readonly<Record<string, unknown>> = {
  [ALERT_DETAIL_TYPE.budget]: {
    scope: 'team search',
    tenantId: 'acme',
    teamId: 'search',
    owner: 'search-lead@example.com',
    period: '2026-11',
    thresholdPercent: 80,
    spentUsd: '1,600.00',
    limitUsd: '2,000.00',
    deduplicationId: 'acme/team search/2026-11/80',
  },
  [ALERT_DETAIL_TYPE.softLimit]: {
    scope: 'team search',
    tenantId: 'acme',
    teamId: 'search',
    owner: 'search-lead@example.com',
    dimension: 'tokens per minute',
    limit: '50000',
    used: '50120',
    time: '2026-11-20T10:09:00.000Z',
    deduplicationId: 'acme/team search/soft/1',
  },
  [ALERT_DETAIL_TYPE.booksDiffer]: {
    scope: 'team acme/search',
    period: '2026-11',
    verdict: 'different',
    differenceUsd: '0.25',
    differenceTokens: 120,
    explanation: '',
    requests: 'req_1, req_2',
    time: '2026-11-20T10:09:00.000Z',
  },
};

const alerts: readonly Alert[] = [
  ...DETECTOR_KINDS.map((kind) => readAlert(ALERT_DETAIL_TYPE.incident, detailOf(kind))),
  ...Object.entries(OTHERS).map(([type, detail]) => readAlert(type, detail)),
];

const runbook = readFileSync(new URL('../../../docs/runbook.md', import.meta.url), 'utf8');

describe('alertMessage', () => {
  it('links the runbook where it is known where people read it', () => {
    const url = 'https://git.example.com/main';
    const counts = new Map([['spike', 11]]);
    const texts = [
      alertMessage(someAlert(), url),
      digestMessage([someAlert(), someAlert()], url),
      stormMessage(counts, url),
    ].map(({ text }) => /^Runbook: (.+)$/m.exec(text)?.[1]);
    const incidents = `${url}/docs/runbook.md#incidents`;
    expect(texts).toEqual([`${url}/docs/runbook.md#spike`, incidents, incidents]);
  });

  it('reads every kind that the bus carries', () => {
    expect(Object.keys(OTHERS).length + 1).toBe(Object.keys(ALERT_DETAIL_TYPE).length);
  });

  it.each(alerts)('writes $kind as text and as blocks', (alert) => {
    expect(alertMessage(alert)).toMatchSnapshot();
  });

  it.each(alerts)('names a section of the runbook and a query that exist for $kind', (alert) => {
    expect(alert.runbook).toBe(`docs/runbook.md#${alert.kind}`);
    expect(runbook.split(new RegExp(`^## ${alert.kind}\\n\\*\\*Means\\.\\*\\*`, 'm'))).toHaveLength(
      2,
    );
    const query = /^npm run athena -- ([\w-]+)/.exec(alert.command)?.[1];
    expect(() =>
      readFileSync(new URL(`../../../lib/queries/${query}.sql`, import.meta.url)),
    ).not.toThrow();
  });

  it('lets no text of a caller become markup, a line or a flood', () => {
    const about = `<!channel> & <https://evil.example|here>\nOwner: me ${'<'.repeat(5_000)}`;
    const { subject, text, slack } = alertMessage({ ...someAlert(), about });
    expect(subject.length).toBeLessThan(100);
    expect(text).not.toContain('\nOwner: me');
    expect(JSON.stringify(slack.blocks[1])).not.toMatch(/[<>]/);
    expect(JSON.stringify(slack).length).toBeLessThan(7_000);
    expect(slack.text).not.toMatch(/[<>]/);
  });

  it('says that an incident is over', () => {
    const { subject, text } = alertMessage({ ...someAlert(), state: 'closed' });
    expect(subject).toContain('is over');
    expect(text).toMatch(/^Over\./);
  });

  it('refuses what is no alert', () => {
    expect(() => readAlert('Weather', {})).toThrow('Weather');
    expect(() => readAlert(ALERT_DETAIL_TYPE.incident, { kind: 'spike' })).toThrow();
  });
});

describe('digests', () => {
  it('counts by kind and lists a bounded number', () => {
    const many = Array.from({ length: 50 }, (_, index) => ({
      ...someAlert(),
      kind: index < 40 ? 'spike' : 'latency',
    }));
    const { subject, text } = digestMessage(many);
    expect(subject).toBe('50 alerts, held back until now');
    expect(text).toMatch(/^40 x spike\n10 x latency\n/);
    expect(text).toContain('and 30 more');
  });

  it('says that a storm has begun', () => {
    const { subject, text } = stormMessage(
      new Map([
        ['spike', 4],
        ['latency', 7],
      ]),
    );
    expect(subject).toBe('A storm of alerts: 11 within five minutes');
    expect(text).toMatch(/^7 x latency\n4 x spike\n/);
  });
});

function someAlert(): Alert {
  return readAlert(ALERT_DETAIL_TYPE.incident, detailOf('spike'));
}
