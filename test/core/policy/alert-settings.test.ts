import { describe, expect, it } from 'vitest';
import { ALERT_KINDS } from '../../../core/alerts/alert.ts';
import { DETECTOR_KINDS } from '../../../core/alerts/thresholds.ts';
import { compilePolicy } from '../../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { formatPolicyError } from '../../../core/policy/policy-error.ts';

function read({ detectors = '', quiet = '', policy = '', wants = '' }) {
  const hours = quiet === '' ? '' : `, quiet_hours: ${quiet}`;
  const text = `time_zone: UTC
providers: {}
models: {}
alert_channels:
  night: { slack: "#night"${hours}${wants} }
${policy}
tenants:
  acme:
    teams:
      search: { owner: ann, alerts: { notify: [night]${detectors === '' ? '' : `, detectors: ${detectors}`} } }
`;
  const parsed = parsePolicy(text, 'policy.yaml');
  if (parsed.kind === 'invalid') return { errors: parsed.errors.map(formatPolicyError) };
  const { snapshot } = compilePolicy(parsed.policy, 1, 0);
  const [team] = Object.values(snapshot.teams);
  const { notify, alertChannels } = snapshot;
  return { errors: [], team, notify, channel: alertChannels?.['night'] };
}

describe('detectors of a team', () => {
  it('are off, on, or have a threshold of their own', () => {
    const { team, errors } = read({ detectors: '{ spike: 4.5, latency: off, feature-share: on }' });
    expect(errors).toEqual([]);
    expect(team?.detectors).toEqual({ spike: 4.5, latency: 'off', 'feature-share': 'on' });
  });

  it.each(DETECTOR_KINDS)('may be %s', (kind) => {
    expect(read({ detectors: `{ ${kind}: off }` }).errors).toEqual([]);
  });

  it.each([
    ['{ spikes: off }', 'spikes'],
    ['{ spike: 0 }', 'spike'],
    ['{ spike: -3 }', 'spike'],
    ['{ spike: 1.2345 }', 'spike'],
    ['{ spike: 9999999 }', 'spike'],
    ['{ spike: sometimes }', 'spike'],
  ])('are refused as %s, by the place', (detectors, place) => {
    const { errors } = read({ detectors });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain('tenants.acme.teams.search.alerts.detectors');
    expect(errors[0]).toContain(place);
  });
});

describe('quiet hours of a channel', () => {
  it('are every day where no days are named, and in the time zone that they name', () => {
    const { errors, channel } = read({
      quiet: '{ from: "20:00", to: "07:00", time_zone: Europe/Berlin }',
    });
    expect(errors).toEqual([]);
    expect(channel?.quietHours).toMatchObject({ timeZone: 'Europe/Berlin' });
    expect(channel?.quietHours?.days).toHaveLength(7);
  });

  it.each([
    ['{ from: "20:00" }', 'to'],
    ['{ from: "25:00", to: "07:00" }', 'from'],
    ['{ from: "20:00", to: "07:00", time_zone: Mars }', 'time_zone'],
    ['{ from: "20:00", to: "07:00", days: [someday] }', 'days'],
    ['{ from: "20:00", to: "07:00", until: x }', 'until'],
  ])('are refused as %s, by the place', (quiet, place) => {
    const { errors } = read({ quiet });
    expect(errors.join('\n')).toContain('alert_channels.night.quiet_hours');
    expect(errors.join('\n')).toContain(place);
  });
});

describe('channels of what is about no tenant', () => {
  it('are named by the policy itself', () => {
    expect(read({ policy: 'alerts: { notify: [night] }' }).notify).toEqual(['night']);
    expect(read({}).notify).toBeUndefined();
  });

  it.each(['alerts: { notify: [nigth] }', 'alerts: { notify: [night], detectors: {} }'])(
    'are refused with their place: %s',
    (policy) => {
      expect(read({ policy }).errors.join('\n')).toMatch(/policy\.yaml:6:\d+ alerts\./);
    },
  );
});

describe('a channel', () => {
  it('chooses kinds and the least severity', () => {
    const { channel } = read({ wants: ', kinds: [budget, books-differ], at_least: warning' });
    expect(channel).toEqual({
      slack: '#night',
      kinds: ['budget', 'books-differ'],
      atLeast: 'warning',
    });
  });

  it.each(ALERT_KINDS)('may want %s', (kind) => {
    expect(read({ wants: `, kinds: [${kind}]` }).errors).toEqual([]);
  });

  it.each([', kinds: [budgets]', ', at_least: grave'])('is refused with its place: %s', (wants) => {
    expect(read({ wants }).errors.join('\n')).toMatch(/policy\.yaml:5:\d+ alert_channels\.night\./);
  });
});
