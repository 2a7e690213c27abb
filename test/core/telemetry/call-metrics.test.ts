import { describe, expect, it } from 'vitest';
import { CALL_DIMENSIONS, CALL_METRICS, MAX_METERED_MODELS } from '../../../core/names.ts';
import { callMetrics, meteredModels } from '../../../core/telemetry/call-metrics.ts';
import { model } from '../../support/gateway.ts';
import { USAGE_EVENT } from '../../support/ledger-lake.ts';

const models = new Set(['fast', 'smart']);
const streamed = {
  ...USAGE_EVENT,
  event_time_ms: 1_000_000,
  model_alias: 'fast',
  provider: 'openai',
  dialect: 'openai-chat',
  stream: true,
  input_tokens: 100,
  cached_input_tokens: 20,
  output_tokens: 51,
  cost_nano_usd: 2_500_000,
  ttft_ms: 400,
  overhead_ms: 12,
  duration_ms: 1_400,
};

/** Name -> its sets of dimensions, each as `name=value`. */
function metricsOf(event: Parameters<typeof callMetrics>[0]) {
  const line = callMetrics(event, models);
  const told: Record<string, { value: unknown; unit: string; sets: string[] }> = {};
  for (const { Dimensions, Metrics } of line._aws.CloudWatchMetrics)
    for (const { Name, Unit } of Metrics) {
      const sets = Dimensions.map((set) => set.map((each) => `${each}=${line[each]}`).join(' '));
      told[Name] = { value: line[Name], unit: Unit, sets: [...(told[Name]?.sets ?? []), ...sets] };
    }
  return told;
}

describe('metrics of a call', () => {
  it('are one line that fits the embedded metric format', () => {
    const line = callMetrics(streamed, models);
    expect(line._aws.Timestamp).toBe(1_001_400);
    for (const { Namespace, Dimensions, Metrics } of line._aws.CloudWatchMetrics) {
      expect(Namespace).toBe('Tollgate');
      for (const name of Dimensions.flat()) expect(line[name]).toMatch(/^[\x21-\x7e]{1,128}$/);
      for (const { Name } of Metrics) expect(typeof line[Name]).toBe('number');
    }
    expect(JSON.stringify(line).length).toBeLessThan(1_400);
  });

  it('tell times, tokens and money of a stream, overall, by provider and by model', () => {
    const sets = ['service=proxy', 'gen_ai.provider.name=openai', 'gen_ai.request.model=fast'];
    const told = metricsOf(streamed);
    expect(told).toEqual({
      'gen_ai.server.request.duration': {
        value: 1.4,
        unit: 'Seconds',
        sets: [...sets, 'gen_ai.operation.name=chat tollgate.dialect=openai-chat'],
      },
      'gen_ai.server.time_to_first_token': { value: 0.4, unit: 'Seconds', sets },
      'gen_ai.server.time_per_output_token': {
        value: expect.closeTo(0.02, 9),
        unit: 'Seconds',
        sets,
      },
      'gen_ai.client.inference.usage.input_tokens': { value: 120, unit: 'Count', sets },
      'gen_ai.client.inference.usage.output_tokens': { value: 51, unit: 'Count', sets },
      'tollgate.cost.usd': { value: 0.0025, unit: 'None', sets },
      'tollgate.overhead': { value: 12, unit: 'Milliseconds', sets: ['service=proxy'] },
    });
  });

  it('count a failure by its provider and its kind', () => {
    const failed = {
      ...streamed,
      outcome: 'error' as const,
      error_code: 'upstream_timeout',
      ttft_ms: null,
      input_tokens: null,
      output_tokens: null,
    };
    const told = metricsOf(failed);
    expect(told['gen_ai.server.request.duration']?.sets).toContain(
      'gen_ai.provider.name=openai error.type=upstream_timeout',
    );
    expect(Object.keys(told)).not.toContain('gen_ai.client.inference.usage.input_tokens');
    expect(Object.keys(told)).not.toContain('gen_ai.server.time_to_first_token');
  });

  it('count a denial by its dimension, and nothing else of it', () => {
    const denied = {
      ...streamed,
      outcome: 'denied' as const,
      provider: null,
      error_code: 'budget_exhausted',
      denied_dimension: 'nanoUsdPerMonth',
    };
    expect(metricsOf(denied)).toEqual({
      'tollgate.denials': {
        value: 1,
        unit: 'Count',
        sets: ['service=proxy', 'tollgate.limit.dimension=nanoUsdPerMonth'],
      },
    });
  });

  it('say nothing of the pace of whole answers, and count a call that fell back', () => {
    const told = metricsOf({ ...streamed, stream: false, fallback_from: 'azure/gpt' });
    expect(Object.keys(told)).not.toContain('gen_ai.server.time_per_output_token');
    expect(told['tollgate.fallbacks']?.value).toBe(1);
  });

  it('tell all aliases without metrics of their own under one name', () => {
    expect(callMetrics({ ...streamed, model_alias: 'mine-4711' }, models)).toMatchObject({
      [CALL_DIMENSIONS.model]: 'other',
    });
  });

  it('are bounded by the number of aliases that have their own', () => {
    const aliases = Array.from({ length: 80 }, (_, i) => [`m${i}`, model(`m${i}`)] as const);
    const metered = meteredModels({ models: Object.fromEntries(aliases.toReversed()) });
    expect(metered.size).toBe(MAX_METERED_MODELS);
    expect(metered).toEqual(meteredModels({ models: Object.fromEntries(aliases) }));
  });

  it('have no dimension that names a tenant, a team, a key or a user', () => {
    const sets = Object.values(CALL_METRICS).flatMap(({ of }) => of.flat());
    expect(new Set(sets)).toEqual(new Set(Object.values(CALL_DIMENSIONS)));
    const { tenant_id, team_id, project_id, virtual_key_id } = streamed;
    const values = Object.values(callMetrics(streamed, models));
    for (const id of [tenant_id, team_id, project_id, virtual_key_id])
      expect(values).not.toContain(id);
  });
});
