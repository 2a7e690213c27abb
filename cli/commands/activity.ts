import * as z from 'zod';
import { CliError } from '../cli-error.ts';
import { type Command, onlyPositional, textOf } from '../command.ts';
import { localTime, money } from '../format.ts';
import { readScope } from '../scope.ts';
import { type Column, table } from '../table.ts';

const quantilesSchema = z.looseObject({ p50: z.number(), p95: z.number() }).nullable();
const figuresSchema = z.looseObject({
  requests: z.number(),
  input_tokens: z.number(),
  output_tokens: z.number(),
  nano_usd: z.number(),
  denied: z.number(),
  errors: z.number(),
  latency_ms: quantilesSchema,
  ttft_ms: quantilesSchema,
});
type Figures = z.infer<typeof figuresSchema>;
const windowSchema = figuresSchema.extend({ start: z.string() });
const partsSchema = z.looseObject({
  data: z.array(figuresSchema.extend({ name: z.string() })),
  left_out: z.number(),
});
type Parts = z.infer<typeof partsSchema>;
const answerSchema = z.looseObject({
  window_seconds: z.number(),
  total: figuresSchema,
  windows: z.array(windowSchema),
  features: partsSchema,
  models: partsSchema,
});

export const activity: Command = {
  name: 'activity',
  takes: '<tenant[/team]>',
  about: 'What a tenant or a team did lately, as the usage monitor counts it: some seconds after.',
  options: { last: { value: 'span', about: '1h by five minutes, or 24h by the hour (24h)' } },
  async run(input) {
    const { tenantId, teamId, projectId } = readScope(onlyPositional(input, 'one tenant or team'));
    if (projectId !== undefined)
      throw new CliError('Name a tenant or a tenant/team: projects are not summed.');
    const query = { tenantId, teamId, last: textOf(input.values, 'last') };
    const { body } = await input.admin().call('GET /activity', answerSchema, { query });
    const { windows, total, features, models } = body;
    const rows = windows.map((each) => ({ label: localTime(each.start), ...each }));
    const sums = rows.length > 1 ? [...rows, { label: 'in all', ...total }] : rows;
    const title = body.window_seconds === 3_600 ? 'hour from' : 'five minutes from';
    const text = [
      table(columns(title), sums, 'Nothing was called.'),
      ...partLines('feature', features),
      ...partLines('model', models),
    ];
    return { json: body, text: text.join('\n') };
  },
};

function partLines(title: string, { data, left_out: leftOut }: Parts): string[] {
  if (data.length === 0) return [];
  const rows = data.map((each) => ({ label: each.name, ...each }));
  const more = leftOut > 0 ? [`and ${leftOut} more with fewer tokens`] : [];
  return ['', table(columns(title), rows, ''), ...more];
}

function columns(title: string): Column<Figures & { readonly label: string }>[] {
  const count = (name: string, of: (figures: Figures) => number): Column<Figures> => ({
    title: name,
    align: 'right',
    cell: (figures) => of(figures).toLocaleString('en-US'),
  });
  return [
    { title, cell: ({ label }) => label },
    count('calls', ({ requests }) => requests),
    count('input', (each) => each.input_tokens),
    count('output', (each) => each.output_tokens),
    { title: 'cost', align: 'right', cell: (each) => money(each.nano_usd) },
    count('refused', ({ denied }) => denied),
    count('errors', ({ errors }) => errors),
    { title: 'ttft p95', align: 'right', cell: (each) => seconds(each.ttft_ms?.p95) },
    { title: 'time p95', align: 'right', cell: (each) => seconds(each.latency_ms?.p95) },
  ];
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? '-' : `${(ms / 1000).toFixed(2)} s`;
}
