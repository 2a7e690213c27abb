import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DIMENSIONS } from '../../core/limits/dimensions.ts';
import { CALL_DIMENSIONS, CALL_METRICS, MAX_METERED_MODELS } from '../../core/names.ts';
import { requestSchema } from '../../core/request-lookup.ts';
import { projectRoot } from '../../lib/project-root.ts';

const page = readFileSync(join(projectRoot, 'docs/observability.md'), 'utf8');

/** Callers speak four dialects, each of which is one operation. */
const DIALECTS = 4;
const PRICE = 0.3;

/** Metrics with so many values of each dimension. */
function metricsWith(values: { providers: number; models: number; errors: number }): number {
  const sizes: Readonly<Record<string, number>> = {
    [CALL_DIMENSIONS.service]: 1,
    [CALL_DIMENSIONS.provider]: values.providers,
    [CALL_DIMENSIONS.model]: values.models,
    [CALL_DIMENSIONS.operation]: 1,
    [CALL_DIMENSIONS.dialect]: DIALECTS,
    [CALL_DIMENSIONS.error]: values.errors,
    [CALL_DIMENSIONS.dimension]: Object.keys(DIMENSIONS).length,
  };
  return Object.values(CALL_METRICS)
    .flatMap(({ of }) => of.map((set) => set.map((each) => sizes[each] ?? Number.NaN)))
    .reduce((sum, set) => sum + set.reduce((product, size) => product * size, 1), 0);
}

describe('docs/observability.md', () => {
  const rows = [
    ...page.matchAll(
      /^\| (?:small|usual|at the bound) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| ([\d.]+) \|$/gm,
    ),
  ];

  it('counts the metrics that the code writes, and their price', () => {
    expect(rows).toHaveLength(3);
    for (const row of rows) {
      const [providers = 0, models = 0, errors = 0, metrics, price] = row.slice(1).map(Number);
      expect(metrics).toBe(metricsWith({ providers, models, errors }));
      expect(price).toBeCloseTo(metricsWith({ providers, models, errors }) * PRICE, 2);
    }
    expect(Number(rows[2]?.[2])).toBe(MAX_METERED_MODELS + 1);
  });

  it('names every metric of a call', () => {
    for (const { name } of Object.values(CALL_METRICS)) {
      const short = name.replace(/^gen_ai\.client\.inference\.usage(?=\.output)/, '');
      expect(page).toContain(`\`${short}\``);
    }
  });

  it('says what every state of a call means, and where each part of its report is from', () => {
    const { state, ...parts } = requestSchema.shape;
    const own = [
      'request_id',
      'tenant_id',
      'team_id',
      'project_id',
      'virtual_key_id',
      'model_alias',
    ];
    const told = Object.keys(parts).filter((name) => !own.includes(name));
    for (const name of [...state.options, ...told])
      expect(page).toMatch(new RegExp(`^\\| [^|]*\`${name}\`[^|]*\\|`, 'm'));
  });
});
